// How a task ended outlives it: a container that has run is not one that was never started.
import { messageOf } from "@berth/base";
import type { Context } from "./context.ts";
import type { Exit } from "./types.ts";

/** 128 + SIGKILL */
const KILLED = 137;

type Keeping = Pick<Context, "exits" | "log">;

interface Ended {
  readonly namespace: string;
  readonly id: string;
  /** The kernel has killed in its cgroup for lack of memory. */
  readonly ranOutOfMemory: boolean;
}

/** Keeps the exit of a task that is about to go. A disk that does not take it must not keep the task from going. */
export function keepExit({ exits, log }: Keeping, { namespace, id, ranOutOfMemory }: Ended, exit: Exit): void {
  const { pid, status, at } = exit;
  try {
    const outOfMemory = wasKilledForMemory(ranOutOfMemory, status);
    exits.keep({ namespace, lease: "" }, id, { pid, status, at, outOfMemory });
  } catch (err) {
    log.error("the exit of a task could not be kept", { namespace, container: id, status, err: messageOf(err) });
  }
}

/** For a container that had a task when the machine went down: nobody saw it end. */
export function keepUnseenExit(keeping: Keeping, namespace: string, id: string): void {
  if (keeping.exits.get({ namespace, lease: "" }, id) !== null) return;
  keepExit(keeping, { namespace, id, ranOutOfMemory: false }, { pid: 0, status: 255, at: 0n });
}

export function forgetExit({ exits, log }: Keeping, namespace: string, id: string): void {
  try {
    exits.forget({ namespace, lease: "" }, id);
  } catch (err) {
    log.error("the exit of a container's last task could not be dropped", { namespace, container: id, err });
  }
}

/** The kernel may have killed another process of the container, and init have ended as it liked. */
export const wasKilledForMemory = (ranOutOfMemory: boolean, status: number): boolean =>
  ranOutOfMemory && status === KILLED;
