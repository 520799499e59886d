// The end of a task whose shim has ended or does not answer: found out, told once, cleaned away.

import { messageOf } from "@berth/base";
import { packAny, topics, toTimestamp } from "@berth/proto";
import { TaskDelete, TaskExit } from "@berth/proto/containerd/events";
import { removeBundle } from "./bundle.ts";
import { deleteLeftovers, endContainer, killContainer, killShim } from "./clean-up.ts";
import type { Context } from "./context.ts";
import { keepExit } from "./keep-exit.ts";
import { knownExit } from "./known-exit.ts";
import type { LiveTask } from "./live-task.ts";
import { removeCgroup } from "./remove-cgroup.ts";
import type { Exit } from "./types.ts";

const burials = new WeakMap<LiveTask, Promise<Exit>>();

/**
 * Buries a task; resolves with init's exit, once nothing is left of it. By `force`, the container is killed
 * first, for its shim is stuck: deadline-exceeded where its init cannot be ended. A second call joins the first.
 */
export function bury(context: Context, task: LiveTask, force: boolean): Promise<Exit> {
  const under = burials.get(task);
  if (under !== undefined) return under;
  const burial = perform(context, task, force).catch((error: unknown) => {
    burials.delete(task);
    throw error;
  });
  burials.set(task, burial);
  return burial;
}

async function perform(context: Context, task: LiveTask, force: boolean): Promise<Exit> {
  const { registry, log } = context;
  const { directories, journal, namespace, id } = task;
  log.warn(force ? "a shim does not answer and is ended by force" : "a shim has ended unexpectedly", {
    namespace,
    container: id,
    pid: journal.shimProcess?.pid ?? 0,
  });
  // Before anything is taken away: what cannot be ended stays a task.
  if (force) await endContainer(context, directories, journal);
  task.link.close();
  await killShim(context, directories, journal);
  const reply = await deleteLeftovers(context, directories, journal);
  // Where the command failed, nobody has ended the container yet.
  if (reply === null) {
    killContainer(journal);
    await removeCgroup(directories);
  }
  const exit = exitOf(context, task, reply, force);
  keepExit(context, task, exit);
  const execStatus = reply !== null || force ? 137 : 255;
  // In one step: who is told of the exit finds no task, and who finds no task was told.
  if (registry.find(namespace, id) === task) {
    for (const [execId, { pid }] of task.execs)
      publishExit(context, task, { pid, status: execStatus, at: exit.at }, execId);
    publishExit(context, task, exit);
    publishDelete(context, task, exit);
  }
  using _name = registry.remove(task);
  task.end(exit, execStatus);
  task.shimLog.close();
  await removeBundle(directories).catch((err) =>
    log.error("the bundle of a task that has ended cannot be removed", {
      namespace,
      container: id,
      path: directories.path,
      err: messageOf(err),
    }),
  );
  return exit;
}

function exitOf(context: Context, task: LiveTask, reply: Exit | null, force: boolean): Exit {
  const { clock } = context;
  const known = knownExit(context, task);
  if (known !== null) return known;
  const pid = task.pid !== 0 ? task.pid : (reply?.pid ?? 0);
  if (reply === null) return { pid, status: force ? 137 : 255, at: clock.now() };
  return { pid, status: reply.status, at: reply.at > 0n ? reply.at : clock.now() };
}

/** Publishes an exit, unless it was published before: the ledger drops what is repeated. */
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
