// The one place where a bundle and its shim become a task, whether it was just created or is found again.
import type { Log } from "@berth/base";
import { attendanceOf } from "./attendance.ts";
import type { Bootstrap } from "./bootstrap-reply.ts";
import type { Bundle } from "./bundle.ts";
import { bury } from "./bury.ts";
import type { Context } from "./context.ts";
import { deleteTask } from "./delete-task.ts";
import type { Journal } from "./journal.ts";
import { LiveTask } from "./live-task.ts";
import { recordHeard } from "./record-heard.ts";
import type { ShimConnection } from "./shim-connection.ts";
import { createShimLink, type ShimLink } from "./shim-link.ts";
import type { ShimLog } from "./shim-log.ts";
import type { TaskLife } from "./task-life.ts";

/** The way to a bundle's shim, before there is a task. */
export interface Linked {
  readonly bundle: Bundle;
  readonly link: ShimLink;
  readonly log: Log;
  /** From now on the shim's end is this task's. */
  belongTo(task: LiveTask): void;
}

/**
 * Links to a bundle's shim. Where it ends before there is a task, the call that breaks tells; after the task was deleted,
 * the end is expected; in between the task is buried.
 */
export function linkShim(
  context: Context,
  bundle: Bundle,
  bootstrap: Bootstrap,
  connection: ShimConnection | null,
): Linked {
  const { registry, background, dial, timeouts } = context;
  const log = context.log.with({ namespace: bundle.namespace, container: bundle.id });
  let task: LiveTask | null = null;
  const onGone = () => {
    const lost = task;
    if (lost !== null && registry.find(bundle.namespace, bundle.id) === lost)
      background.run("a shim that has ended could not be cleaned up", () => bury(context, lost, false));
  };
  const link = createShimLink({ bootstrap, dial, dialTimeoutMs: timeouts.load, log, connection, onGone });
  return {
    bundle,
    link,
    log,
    belongTo(owner) {
      task = owner;
    },
  };
}

export interface TaskParts {
  readonly journal: Journal;
  readonly shimLog: ShimLog;
  /** The shim has left a question unanswered already. */
  readonly silent: boolean;
  readonly life: TaskLife;
}

/** Makes a task of a linked shim: from here on it is in the registry, and what was heard of it before is noted. */
export function enterTask(context: Context, linked: Linked, parts: TaskParts): LiveTask {
  const { timeouts, registry, background } = context;
  const task = new LiveTask({
    bundle: linked.bundle,
    link: linked.link,
    timeouts,
    signalProcess: context.helper.signal,
    attend: (attended) => attendanceOf(context, attended),
    escalate: (stuck) => bury(context, stuck, true),
    forgotten: (lost) =>
      background.run("a task that its shim has deleted could not be removed", () => deleteTask(context, lost)),
    ...parts,
  });
  linked.belongTo(task);
  registry.add(task);
  // A shim tells its exits from its connection on, which may be before it is known here.
  recordHeard(context, task);
  return task;
}
