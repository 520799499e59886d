// What a process may be, and what may be asked of it in each state. The texts are those of containerd's runc shim:
// clients match them, and illegal requests are errors of kind unknown on the wire.
import { BerthError, type ErrorKind } from "@berth/base";

export type ProcessState =
  /** pid 0: an exec that was registered and not started, or an init restored from a checkpoint at start. */
  | { readonly at: "created"; readonly pid: number }
  | { readonly at: "running"; readonly pid: number }
  | { readonly at: "paused"; readonly pid: number }
  | { readonly at: "stopped"; readonly pid: number; readonly status: number; readonly exitedAt: number }
  | { readonly at: "deleted"; readonly pid: number; readonly status: number; readonly exitedAt: number };

export type At = ProcessState["at"];
export type Verb = "start" | "delete" | "kill" | "pause" | "resume" | "update" | "checkpoint" | "exec" | "resize";

/** Where each state may go. A process that never ran goes straight to deleted. */
const moves: Readonly<Record<At, readonly At[]>> = {
  created: ["running", "stopped", "deleted"],
  running: ["paused", "stopped"],
  paused: ["running", "stopped"],
  stopped: ["deleted"],
  deleted: [],
};

type Refusals = Readonly<Record<At, Readonly<Partial<Record<Verb, string>>>>>;

/** What a verb is answered with where the state does not allow it; what is not listed is allowed. */
export const refusals: Readonly<Record<"init" | "exec", Refusals>> = {
  init: {
    created: {
      pause: "cannot pause task in created state",
      resume: "cannot resume task in created state",
      checkpoint: "cannot checkpoint a task in created state",
    },
    running: {
      resume: "cannot resume a running process",
      start: "cannot start a running process",
      delete: "cannot delete a running process",
    },
    paused: {
      pause: "cannot pause a paused container",
      start: "cannot start a paused process",
      delete: "cannot delete a paused process",
      exec: "cannot exec in a paused state",
    },
    stopped: {
      pause: "cannot pause a stopped container",
      resume: "cannot resume a stopped container",
      update: "cannot update a stopped container",
      checkpoint: "cannot checkpoint a stopped container",
      start: "cannot start a stopped process",
      exec: "cannot exec in a stopped state",
    },
    deleted: {
      pause: "cannot pause a deleted process",
      resume: "cannot resume a deleted process",
      update: "cannot update a deleted process",
      checkpoint: "cannot checkpoint a deleted process",
      start: "cannot start a deleted process",
      delete: "cannot delete a deleted process: not found",
      kill: "cannot kill a deleted process: not found",
      exec: "cannot exec in a deleted state",
    },
  },
  exec: {
    created: {},
    running: {
      start: "cannot start a running process",
      delete: "cannot delete a running process",
    },
    paused: {},
    stopped: {
      start: "cannot start a stopped process",
      resize: "cannot resize a stopped container",
    },
    deleted: {
      start: "cannot start a deleted process",
      delete: "cannot delete a deleted process: not found",
      kill: "cannot kill a deleted process: not found",
      resize: "cannot resize a deleted process",
    },
  },
};

/** Throws what containerd's shim would say where the verb is not allowed. */
export function allow(kind: "init" | "exec", state: ProcessState, verb: Verb): void {
  const text = refusals[kind][state.at][verb];
  if (text === undefined) return;
  const error: ErrorKind = text.endsWith(": not found") ? "not-found" : "unknown";
  throw new BerthError(error, text);
}

/** The next state. An illegal move is a mistake of ours and throws. */
export function advance(from: ProcessState, to: ProcessState): ProcessState {
  if (!moves[from.at].includes(to.at)) throw new Error(`a ${from.at} process cannot become ${to.at}`);
  return to;
}
