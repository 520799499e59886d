import { failedPrecondition, isNotFound } from "@berth/base";
import { topics } from "@berth/proto";
import type { RemoveContainerRequest } from "@berth/proto/berth/v1";
import { ContainerDelete, SnapshotRemove } from "@berth/proto/containerd/events";
import type { Call } from "@berth/rpc";
import type { Store } from "@berth/store";
import { logPlace, removeLog } from "../../logs/log-place.ts";
import { announce } from "../announce.ts";
import { settledTasks } from "../settled-tasks.ts";
import { type RemovalNeeds, taskOf } from "./needs.ts";
import { killTask } from "./stop-container.ts";

/** The task goes first, then the log, then record and snapshot in one transaction. */
export async function removeContainer(needs: RemovalNeeds, req: RemoveContainerRequest, call: Call): Promise<object> {
  const { store, runtime } = needs;
  const record = store.containers.get(call, req.id);
  await settledTasks(runtime).settle(call.namespace, req.id);
  const task = taskOf(runtime, call.namespace, req.id);
  if (task !== null) {
    const { status } = task.hasEnded
      ? { status: "stopped" }
      : await task.state("").catch((error: unknown) => {
          if (req.force || isNotFound(error)) return { status: "unknown" };
          throw error;
        });
    if ((status === "running" || status === "paused" || status === "pausing") && !req.force)
      throw failedPrecondition(`container ${JSON.stringify(req.id)} is ${status}: stop it first, or force its removal`);
    if (status !== "stopped") await killTask(task, call);
    await runtime.tasks.delete(call.namespace, req.id, { withContainer: true }).catch(exceptNotFound);
  }
  await removeLog(logPlace(needs.logs, call.namespace, req.id));
  const { snapshotter, snapshotKey: key } = record;
  const hadSnapshot = store.transaction(() => {
    store.containers.delete(call, req.id);
    return key !== "" && isDropped(store, call, snapshotter, key);
  }, "frees");
  announce(runtime.events, call.namespace, topics.containerDelete, ContainerDelete, { id: req.id });
  if (hadSnapshot)
    announce(runtime.events, call.namespace, topics.snapshotRemove, SnapshotRemove, { key, snapshotter });
  return {};
}

function exceptNotFound(error: unknown): null {
  if (isNotFound(error)) return null;
  throw error;
}

/** False where there is no such snapshot. */
function isDropped(store: Store, call: Call, snapshotter: string, key: string): boolean {
  try {
    store.snapshotter(snapshotter).drop(call, key);
    return true;
  } catch (error) {
    exceptNotFound(error);
    return false;
  }
}
