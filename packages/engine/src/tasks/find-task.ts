import type { Task } from "@berth/runtime";
import type { EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";

/** The container's task; not-found names the container where that is what is missing. Waits for a reconnection. */
export async function findTask({ store, runtime }: EngineDeps, id: string, caller: Caller): Promise<Task> {
  store.containers.get(caller, id);
  return await runtime.tasks.get(caller.namespace, id);
}
