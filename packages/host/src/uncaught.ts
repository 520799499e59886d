import { native } from "berth:native";
import { printError } from "./stdio.ts";

/** Exit status for an internal error (sysexits.h, EX_SOFTWARE). */
const EX_SOFTWARE = 70;

const report = (error: unknown): void => {
  const text = error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ""}` : String(error);
  printError(`uncaught ${text.trimEnd()}\n`);
  exit(EX_SOFTWARE);
};

let handle: (error: unknown) => void = report;

/** Ends the process now, without running anything else. */
export function exit(code: number): never {
  return native.exit(code);
}

/** Called for an exception that nobody caught and for a rejection that nobody handled. Default: stack to stderr, exit 70. */
export function onUncaught(handler: (error: unknown) => void): void {
  handle = handler;
  native.setUncaught(uncaught);
}

/** Hands an error that has no owner to the handler; one that throws itself ends the process. */
export function uncaught(error: unknown): void {
  try {
    handle(error);
  } catch (second) {
    report(second);
  }
}
