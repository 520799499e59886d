import { type ErrorKind, kindOf } from "@berth/base";

const kinds = new Set<ErrorKind>([
  "invalid-argument",
  "not-found",
  "failed-precondition",
  "out-of-range",
  "unimplemented",
  "data-loss",
  "resource-exhausted",
]);

/** Whether another try of a pull would only fail again, or there is no room: then nothing is kept for it. */
export const isFinal = (error: unknown): boolean => kinds.has(kindOf(error));
