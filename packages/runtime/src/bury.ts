// The end of a task whose shim has ended or does not answer: found out, told once, cleaned away.

import { messageOf } from "@berth/base";
import { removeBundle } from "./bundle.ts";
import { deleteLeftovers, endContainer, killContainer, killShim } from "./clean-up.ts";
import type { Context } from "./context.ts";
import { depart } from "./depart.ts";
import type { LiveTask } from "./live-task.ts";
import { removeCgroup } from "./remove-cgroup.ts";
import { exitIn } from "./task-life.ts";
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
  const { log } = context;
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
    await killContainer(context, journal);
    await removeCgroup(directories);
  }
  const exit = exitOf(context, task, reply, force);
  const execStatus = reply !== null || force ? 137 : 255;
  using name = depart(context, task, { exit, keep: true, lost: { execStatus } });
  // Deleted, just now.
  if (name === null) return await task.lost;
  task.advance({ at: "gone", exit, execStatus });
  task.shimLog.close();
  await removeBundle(context.helper, directories).catch((err) =>
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
  const known = exitIn(task.life);
  if (known !== null) return known;
  const pid = task.pid !== 0 ? task.pid : (reply?.pid ?? 0);
  if (reply === null) return { pid, status: force ? 137 : 255, at: clock.now() };
  return { pid, status: reply.status, at: reply.at > 0n ? reply.at : clock.now() };
}
