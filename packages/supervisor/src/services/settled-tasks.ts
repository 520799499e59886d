import { notFound, unavailable } from "@berth/base";
import type { Call } from "@berth/rpc";
import type { Runtime, Task } from "@berth/runtime";

/** Milliseconds that a call waits for the reconnection to one container's shim. */
const PATIENCE = 10_000;

/** Finds tasks, once it is known after a restart whether their shims are still there. */
export interface SettledTasks {
  /** Resolves when the container's shim has been tried; unavailable after 10 s. */
  settle(namespace: string, id: string): Promise<void>;
  /** not-found where the container has no task. */
  find(call: Call, id: string): Promise<Task>;
}

export function settledTasks(runtime: Pick<Runtime, "settled" | "tasks">): SettledTasks {
  const settle = async (namespace: string, id: string) => {
    const settled = runtime.settled(namespace, id).then(() => true);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), PATIENCE);
    });
    try {
      if (!(await Promise.race([settled, late])))
        throw unavailable(`container ${JSON.stringify(id)} is still being reconnected to: try again`);
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    settle,
    async find(call, id) {
      if (id === "") throw notFound("container", id);
      await settle(call.namespace, id);
      return runtime.tasks.get(call.namespace, id);
    },
  };
}
