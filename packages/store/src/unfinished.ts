import type { Core } from "./core.ts";
import { namespaceOf } from "./scope.ts";
import type { Step, UnfinishedStore } from "./types.ts";

/** Steps that containers are in the middle of; a container's goes with its record. */
export function unfinishedStore({ db }: Core): UnfinishedStore {
  const get: UnfinishedStore["get"] = (scope, id) =>
    db.get<{ step: Step }>("SELECT step FROM unfinished WHERE namespace = ? AND id = ?", namespaceOf(scope), id)
      ?.step ?? null;
  return {
    set(scope, id, step) {
      const insert = "INSERT OR REPLACE INTO unfinished (namespace, id, step) VALUES (?, ?, ?)";
      // For who comes after a kill. After a power cut there is nothing that runs, and nobody has been answered.
      const effect = step === "remove" ? "frees" : "adds";
      db.transaction(() => db.run(insert, namespaceOf(scope), id, step), effect, "later");
    },
    get,
    clear(scope, id) {
      const remove = "DELETE FROM unfinished WHERE namespace = ? AND id = ?";
      // A run that has been started stays: without a mark, and with its record, which was to be durable by then.
      const durable = get(scope, id) === "run" ? "now" : "later";
      db.transaction(() => db.run(remove, namespaceOf(scope), id), "frees", durable);
    },
    list: () => db.all("SELECT namespace, id, step FROM unfinished ORDER BY namespace, id"),
  };
}
