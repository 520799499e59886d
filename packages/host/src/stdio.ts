import { native } from "berth:native";
import { Fd } from "./fd.ts";
import { check } from "./system-error.ts";

export const stdin = /* @__PURE__ */ new Fd(0, "stdin");
export const stdout = /* @__PURE__ */ new Fd(1, "stdout");
export const stderr = /* @__PURE__ */ new Fd(2, "stderr");

/** Writes the text to stdout, whole, waiting if need be. Throws EPIPE when nobody reads. */
export function print(text: string): void {
  check(native.writeAll(1, text), "write", "stdout");
}

/** Writes the text to stderr, whole. An error is ignored: there is nowhere left to tell it. */
export function printError(text: string): void {
  native.writeAll(2, text);
}
