import { hex, randomBytes } from "@berth/host";

/** Twelve hex digits: chosen here, so that a request which got lost can be repeated or undone. */
export const randomId = (): string => hex(randomBytes(6));
