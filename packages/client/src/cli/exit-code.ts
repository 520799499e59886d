// What the program ends with, as other container tools do: the command's own code, or one of these.
import { kindOf, messageOf } from "@berth/base";
import { UsageError } from "./usage-error.ts";

export const exitCodes = {
  ok: 0,
  /** Some of several arguments failed. */
  failed: 1,
  usage: 2,
  /** berth or its supervisor failed, not the command. */
  berth: 125,
  cannotInvoke: 126,
  notFound: 127,
} as const;

// runc 1.1: `exec: "x": executable file not found in $PATH`, `exec: "/x": stat /x: no such file or directory`,
// `exec: "/x": permission denied`, `exec /x: exec format error`. crun 1.8: `executable file `x` not found in
// $PATH: No such file or directory`, `open executable: Permission denied`.
const notFound = /executable file .*not found|exec:? (?:"[^"]*"|\S+): (?:stat [^:]*: )?no such file or directory/i;
const cannotInvoke =
  /exec:? (?:"[^"]*"|\S+): .*(?:permission denied|is a directory|not a directory)|exec format error|open executable: permission denied/i;

// What containerd's shims say where the OCI runtime itself cannot be run: that is not the command.
const noRuntime = /unable to retrieve OCI runtime error/;

/** The code for an error on the way to starting a command; the runtime says why only in words. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return exitCodes.usage;
  // No runtime says that: a credential helper may quote what it could not execute.
  if (kindOf(error) === "unauthenticated") return exitCodes.berth;
  const message = messageOf(error);
  if (noRuntime.test(message)) return exitCodes.berth;
  if (notFound.test(message)) return exitCodes.notFound;
  if (cannotInvoke.test(message)) return exitCodes.cannotInvoke;
  return exitCodes.berth;
}
