import type { Core } from "./core.ts";
import { namespaceOf } from "./scope.ts";
import type { Step, UnfinishedStore } from "./types.ts";

/** Steps that containers are in the middle of; a container's goes with its record. */
export function unfinishedStore({ db }: Core): UnfinishedStore {
  return {
    set(scope, id, step) {
      const insert = "INSERT OR REPLACE INTO unfinished (namespace, id, step) VALUES (?, ?, ?)";
      db.transaction(() => db.run(insert, namespaceOf(scope), id, step), step === "remove" ? "frees" : "adds");
    },
    get: (scope, id) =>
      db.get<{ step: Step }>("SELECT step FROM unfinished WHERE namespace = ? AND id = ?", namespaceOf(scope), id)
        ?.step ?? null,
    clear(scope, id) {
      const remove = "DELETE FROM unfinished WHERE namespace = ? AND id = ?";
      db.transaction(() => db.run(remove, namespaceOf(scope), id), "frees");
    },
    list: () => db.all("SELECT namespace, id, step FROM unfinished ORDER BY namespace, id"),
  };
}
