import { messageOf } from "@berth/base";
import type { Context } from "./context.ts";
import type { LiveTask } from "./live-task.ts";

/** Notes in its bundle what was told of a task: events may come before it is known, and before we end. */
export function recordHeard({ ledger, log }: Pick<Context, "ledger" | "log">, task: LiveTask): void {
  const { namespace, id, journal } = task;
  const exit = journal.exit ?? ledger.initExit(namespace, id, task.pid);
  const outOfMemory = journal.outOfMemory || ledger.ranOutOfMemory(namespace, id);
  if (exit === journal.exit && outOfMemory === journal.outOfMemory) return;
  try {
    task.record({ exit: exit && { pid: exit.pid, status: exit.status, at: exit.at }, outOfMemory });
  } catch (err) {
    // The event goes on nevertheless; at worst whoever comes after us tells it again.
    log.error("an exit could not be noted in its bundle", { namespace, container: id, err: messageOf(err) });
  }
}
