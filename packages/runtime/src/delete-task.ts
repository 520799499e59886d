import { isNotFound, kindOf, messageOf } from "@berth/base";
import { removeBundleSoon } from "./bundle.ts";
import { bury } from "./bury.ts";
import { killShim } from "./clean-up.ts";
import type { Context } from "./context.ts";
import { within } from "./deadline.ts";
import { depart } from "./depart.ts";
import type { LiveTask } from "./live-task.ts";
import { asContainerdSays, isSilence } from "./shim-error.ts";
import { exitIn } from "./task-life.ts";
import type { Exit } from "./types.ts";

const deletions = new WeakMap<LiveTask, Promise<Exit>>();

/** Deletes a stopped task with its shim and bundle. Whoever asks while it goes on gets the same answer. */
export function deleteTask(context: Context, task: LiveTask, withContainer = false): Promise<Exit> {
  const under = deletions.get(task);
  if (under !== undefined) return under;
  const deletion = perform(context, task, withContainer).finally(() => deletions.delete(task));
  deletions.set(task, deletion);
  return deletion;
}

async function perform(context: Context, task: LiveTask, withContainer: boolean): Promise<Exit> {
  const { registry, log, timeouts } = context;
  const { namespace, id, link, directories } = task;
  let answered: Exit | null = null;
  try {
    answered = await deleteInit(task);
  } catch (error) {
    if (link.over) return await task.lost;
    if (isSilence(error) && task.initIsDead) return await bury(context, task, true);
    if (!isNotFound(error)) throw asContainerdSays(error, "failed to delete task");
  }
  // Out of the registry first: the shim's end is expected from here on.
  const exit = answered ?? exitIn(task.life) ?? { pid: task.pid, status: 255, at: context.clock.now() };
  using name = depart(context, task, { exit, keep: !withContainer, lost: null });
  if (name === null) return await task.lost;
  const gone = link.disconnected();
  const shared = registry.isShared(link.bootstrap.address, namespace, id);
  if (!shared) link.expectEnd();
  try {
    await task
      .shutdown()
      .catch((err) =>
        log.debug("a shim's answer to its shutdown was lost", { namespace, container: id, err: messageOf(err) }),
      );
    if (!shared) await within(gone, timeouts.shutdown, "the shim's end");
  } catch (err) {
    log.warn("a shim does not end and is killed", { namespace, container: id, err: messageOf(err) });
    await killShim(context, directories, task.journal);
  }
  task.advance({ at: "gone", exit, execStatus: exit.status });
  link.close();
  task.shimLog.close();
  await removeBundleSoon(context.helper, directories, log);
  return exit;
}

/** Once more on a new connection where the first breaks; a shim that has ended is told by `link.over`. */
async function deleteInit(task: LiveTask): Promise<Exit> {
  try {
    return await task.deleteInit();
  } catch (error) {
    if (kindOf(error) !== "unavailable" || !(await task.link.isReachable())) throw error;
    return await task.deleteInit();
  }
}
