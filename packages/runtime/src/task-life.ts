// What is known here of a task's life, from the moment that its shim has made it. Whether init is created, running or
// paused is its shim's to say, and asked each time; what outlasts the shim is here.
import type { Exit } from "./types.ts";

export type TaskLife =
  /** Init lives, as far as anybody has said. */
  | { readonly at: "alive" }
  /** Init's exit is known, and no event has told it. */
  | { readonly at: "ended"; readonly exit: Exit }
  /** Init's exit was published, and is in the journal. */
  | { readonly at: "told"; readonly exit: Exit }
  /** Out of the registry: lookups find no task, and the name is held until it has gone. */
  | { readonly at: "leaving"; readonly exit: Exit }
  /** Nothing is asked of its shim any more. `execStatus`: the status of execs that went with it. */
  | { readonly at: "gone"; readonly exit: Exit; readonly execStatus: number }
  /** The runtime has closed, and the task goes on without it. */
  | { readonly at: "left" };

export type LifeStage = TaskLife["at"];

/** Where each stage may lead. */
const moves: Readonly<Record<LifeStage, readonly LifeStage[]>> = {
  alive: ["ended", "told", "leaving", "left"],
  ended: ["told", "leaving", "left"],
  told: ["leaving", "left"],
  leaving: ["gone"],
  gone: [],
  left: [],
};

/** The next stage. An illegal move is a mistake of ours and throws. */
export function advance(from: TaskLife, to: TaskLife): TaskLife {
  if (!moves[from.at].includes(to.at)) throw new Error(`a task that is ${from.at} cannot become ${to.at}`);
  return to;
}

/** Init's exit; null where nobody knows of one. */
export const exitIn = (life: TaskLife): Exit | null => ("exit" in life ? life.exit : null);
