import { native } from "berth:native";

/** The SHA-256 of the bytes, as 64 hex digits. */
export const sha256 = (data: Uint8Array): string => native.sha256(data);

/** From the kernel (getrandom(2)); at most 64 KiB. */
export const randomBytes = (count: number): Uint8Array => native.randomBytes(count);

/** Two lower-case hex digits a byte. */
export const hex = (bytes: Uint8Array): string => native.hex(bytes);
