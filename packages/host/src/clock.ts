import { native } from "berth:native";

/** Milliseconds since the epoch, with a fraction. */
export const now = (): number => native.now();

/** Milliseconds of a clock that only goes forward. */
export const monotonic = (): number => native.monotonic();
