import { failedPrecondition, isNotFound } from "@berth/base";
import { wasKilledForMemory } from "@berth/runtime";
import type { ExitRecord } from "@berth/store";
import type { Caller } from "../types.ts";
import type { EngineDeps } from "./deps.ts";

/** Resolves at the exit of the container's task, or with that of its last one. */
export async function waitContainer({ store, runtime }: EngineDeps, id: string, caller: Caller): Promise<ExitRecord> {
  store.containers.get(caller, id);
  const task = await runtime.tasks.find(caller.namespace, id);
  if (task !== null) {
    const exit = await task.wait("", caller.signal).catch((error: unknown) => {
      // It was deleted meanwhile.
      if (!isNotFound(error)) throw error;
      return null;
    });
    if (exit !== null) return { ...exit, outOfMemory: wasKilledForMemory(task.ranOutOfMemory, exit.status) };
  }
  const last = store.exits.get(caller, id);
  if (last === null) throw failedPrecondition(`container ${JSON.stringify(id)} was never started: start it first`);
  return last;
}
