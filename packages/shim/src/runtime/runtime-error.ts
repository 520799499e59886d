// What an OCI runtime said when it failed, in the words that clients know from containerd's runc shim.
import { BerthError, unknownError } from "@berth/base";

/** The last message of level error in a log of JSON lines; empty where there is none. */
export function lastRuntimeError(log: string): string {
  let last = "";
  for (const line of log.split("\n")) {
    if (line === "") continue;
    let entry: { readonly level?: unknown; readonly msg?: unknown } | null;
    try {
      entry = JSON.parse(line);
    } catch {
      continue; // a runtime that died in the middle of a line
    }
    if (entry?.level === "error" && typeof entry.msg === "string") last = entry.msg.trim();
  }
  return last;
}

/** What is known of a runtime's failure. */
export interface RuntimeFailure {
  readonly binary: string;
  readonly status: number;
  /** Text of its log file. */
  readonly log: string;
  /** What it wrote to stderr, where that was ours to read. */
  readonly stderr: string;
}

/** The reason of a failure: from the log, else from stderr, else the exit status. */
export function reasonOf(failure: RuntimeFailure): string {
  const logged = lastRuntimeError(failure.log);
  if (logged !== "") return logged;
  const said = failure.stderr.trim();
  const status = `${failure.binary} did not terminate successfully: exit status ${failure.status}`;
  return said === "" ? status : `${status}: ${said}`;
}

/** What it has written, whatever its log says: what containerd's shim tells of an update or a checkpoint. */
export const outputOf = ({ binary, status, stderr }: RuntimeFailure): string =>
  `${binary} did not terminate successfully: exit status ${status}: ${stderr.trimEnd()}`;

/** `OCI runtime create failed: REASON: unknown` */
export const runtimeError = (what: string, reason: string): BerthError => unknownError(`${what}: ${reason}: unknown`);

/** The error of a signal that could not be delivered: the reason is matched as text, as containerd does. */
export function killError(reason: string): BerthError {
  const lower = reason.toLowerCase();
  if (
    lower.includes("os: process already finished") ||
    lower.includes("container not running") ||
    lower.includes("no such process")
  )
    return new BerthError("not-found", "process already finished: not found");
  if (reason.includes("does not exist")) return new BerthError("not-found", "no such container: not found");
  return unknownError(`unknown error after kill: ${reason}: unknown`);
}
