// The one way of a task out of the registry, whether it is deleted or its shim is lost.
import { packAny, topics, toTimestamp } from "@berth/proto";
import { TaskDelete, TaskExit } from "@berth/proto/containerd/events";
import type { Context } from "./context.ts";
import { keepExit } from "./keep-exit.ts";
import type { LiveTask } from "./live-task.ts";
import type { Exit } from "./types.ts";

export interface Departure {
  readonly exit: Exit;
  /** Its container stays, and is to say how its last task has ended. */
  readonly keep: boolean;
  /** Its shim tells nothing any more: what becomes of its execs, and its delete, are told for it. */
  readonly lost: { readonly execStatus: number } | null;
}

/**
 * Tells what nobody has told, keeps the exit, and takes the task out, in one step: who is told of the exit finds no task,
 * and who finds no task was told. Holds the name until disposed. Null where the task is out already.
 */
export function depart(context: Context, task: LiveTask, { exit, keep, lost }: Departure): Disposable | null {
  if (context.registry.find(task.namespace, task.id) !== task) return null;
  // One that was never started has no time of its end.
  const hasEnded = exit.at > 0n;
  if (keep && hasEnded) keepExit(context, task, exit);
  if (lost !== null)
    for (const [execId, { pid }] of task.execs)
      publishExit(context, task, { pid, status: lost.execStatus, at: exit.at }, execId);
  // Its shim's own event may have been lost, or be on its way: that one is dropped then.
  if (task.life.at !== "told" && hasEnded) publishExit(context, task, exit);
  if (lost !== null) publishDelete(context, task, exit);
  task.advance({ at: "leaving", exit });
  return context.registry.remove(task);
}

/** Publishes an exit; the ledger drops one that was told a short while ago. */
export function publishExit({ events }: Context, task: LiveTask, exit: Exit, process = task.id): void {
  const { namespace, id } = task;
  const { pid, status, at } = exit;
  events.publish(
    namespace,
    topics.taskExit,
    packAny(TaskExit, { containerId: id, id: process, pid, exitStatus: status, exitedAt: toTimestamp(at) }),
  );
}

function publishDelete({ events }: Context, { namespace, id }: LiveTask, exit: Exit): void {
  const { pid, status, at } = exit;
  events.publish(
    namespace,
    topics.taskDelete,
    packAny(TaskDelete, { containerId: id, pid, exitStatus: status, exitedAt: toTimestamp(at) }),
  );
}
