import { messageOf } from "@berth/base";
import type { Context } from "./context.ts";
import type { LiveTask } from "./live-task.ts";

/** Notes in its bundle what was told of a task: events may come before it is known, and before we end. */
export function recordHeard({ ledger, log }: Pick<Context, "ledger" | "log">, task: LiveTask): void {
  const { namespace, id, life, journal } = task;
  const heard = life.at === "told" ? null : ledger.initExit(namespace, id, task.pid);
  if (heard !== null) task.advance({ at: "told", exit: heard });
  const outOfMemory = journal.outOfMemory || ledger.ranOutOfMemory(namespace, id);
  if (heard === null && outOfMemory === journal.outOfMemory) return;
  const exit = heard === null ? journal.exit : { pid: heard.pid, status: heard.status, at: heard.at };
  try {
    task.record({ exit, outOfMemory });
  } catch (err) {
    // The event goes on nevertheless; at worst the next supervisor tells it again.
    log.error("an exit could not be noted in its bundle", { namespace, container: id, err: messageOf(err) });
  }
}
