import { isNotFound } from "@berth/base";
import { type ProcessState, wasKilledForMemory } from "@berth/runtime";
import type { Caller } from "../types.ts";
import type { EngineDeps } from "./deps.ts";

export interface ContainerState extends Pick<ProcessState, "status" | "pid" | "exitStatus" | "exitedAt"> {
  /** It was stopped because the kernel has killed it for lack of memory. */
  readonly outOfMemory: boolean;
}

/**
 * The state of a container's first process, or how its last one ended; null if it was never started. Unknown if its shim
 * does not answer, which delays this by one deadline only.
 */
export async function stateOf(deps: EngineDeps, id: string, caller: Caller): Promise<ContainerState | null> {
  const { runtime } = deps;
  const isSettled = await runtime.isSettled(caller.namespace, id);
  const task = runtime.tasks.known(caller.namespace, id);
  const unknown = {
    status: "unknown",
    pid: task?.pid ?? 0,
    exitStatus: 0,
    exitedAt: null,
    outOfMemory: false,
  } as const;
  if (task === null) return isSettled ? lastState(deps, id, caller) : unknown;
  try {
    const state = await task.state("");
    const outOfMemory = state.status === "stopped" && wasKilledForMemory(task.ranOutOfMemory, state.exitStatus);
    return { ...state, outOfMemory };
  } catch (err) {
    if (isNotFound(err)) return lastState(deps, id, caller);
    caller.log.warn("the state of a task is unavailable", { container: id, err });
    return unknown;
  }
}

function lastState({ store }: EngineDeps, id: string, caller: Caller): ContainerState | null {
  const exit = store.exits.get(caller, id);
  if (exit === null) return null;
  const { pid, status: exitStatus, at, outOfMemory } = exit;
  return { status: "stopped", pid, exitStatus, exitedAt: at === 0n ? null : at, outOfMemory };
}
