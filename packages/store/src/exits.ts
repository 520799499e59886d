import type { Core } from "./core.ts";
import { namespaceOf } from "./scope.ts";
import type { ExitRecord, ExitStore } from "./types.ts";

interface Row {
  pid: number;
  status: number;
  at: number | bigint;
  out_of_memory: number;
}

export function exitStore({ db }: Core): ExitStore {
  return {
    get(scope, container) {
      const row = db.get<Row>(
        "SELECT * FROM exits WHERE namespace = ? AND container = ?",
        namespaceOf(scope),
        container,
      );
      return row && toRecord(row);
    },
    // A record of some bytes that removals wait for: it may use the room that is kept back for them.
    keep: (scope, container, { pid, status, at, outOfMemory }) =>
      db.transaction(() => {
        db.run(
          `INSERT OR REPLACE INTO exits (namespace, container, pid, status, at, out_of_memory)
           SELECT namespace, id, ?, ?, ?, ? FROM containers WHERE namespace = ? AND id = ?`,
          pid,
          status,
          at,
          outOfMemory ? 1 : 0,
          namespaceOf(scope),
          container,
        );
      }, "frees"),
    forget(scope, container) {
      if (this.get(scope, container) === null) return;
      db.transaction(
        () => db.run("DELETE FROM exits WHERE namespace = ? AND container = ?", namespaceOf(scope), container),
        "frees",
      );
    },
  };
}

const toRecord = ({ pid, status, at, out_of_memory }: Row): ExitRecord => ({
  pid,
  status,
  at: BigInt(at),
  outOfMemory: out_of_memory === 1,
});
