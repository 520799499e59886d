import type { Context } from "./context.ts";
import type { LiveTask } from "./live-task.ts";
import type { Exit } from "./types.ts";

/** Init's exit, as it was told, noted or found; null where nobody knows of one. */
export function knownExit({ ledger }: Pick<Context, "ledger">, task: LiveTask): Exit | null {
  return task.journal.exit ?? ledger.initExit(task.namespace, task.id, task.pid) ?? task.found;
}
