import type { EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";
import { findTask } from "./find-task.ts";

/** Starts the container's first process, or an exec that was made before; returns its pid. */
export async function startTask(deps: EngineDeps, id: string, execId: string, caller: Caller): Promise<number> {
  const task = await findTask(deps, id, caller);
  if (execId !== "") return await task.start(execId);
  return await deps.lives.start({ namespace: caller.namespace, id }, async () => {
    // It may have been undone before it was our turn.
    await deps.runtime.tasks.get(caller.namespace, id);
    try {
      return await task.start("");
    } finally {
      // Whether it was started or not: a caller who is still there knows what there is now.
      if (!caller.signal.aborted) nothingFollows(deps, id, caller);
    }
  });
}

/** Durable before the caller hears of a start, so that no later one undoes it. */
function nothingFollows({ store: { unfinished } }: EngineDeps, id: string, caller: Caller): void {
  const step = unfinished.get(caller, id);
  if (step === "run" || step === "start") unfinished.clear(caller, id);
}
