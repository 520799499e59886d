import { join, relative } from "node:path";
import type { Database } from "./database.ts";
import type { Trash } from "./trash.ts";

/** More than the one that each removal adds, and few: a removal must not pay for the thousands before it. */
const FORGOTTEN_AT_ONCE = 4;

/**
 * What was deleted as records and may still be there as files. A transaction that deletes a record notes the file;
 * the file goes once that is durable. Where a crash comes in between, the next start knows by the note that the file
 * is garbage: files without a record and without a note are never deleted.
 */
export interface Removals {
  /** Inside a transaction: the path (below the root) goes to the trash once it is durable. */
  add(path: string, trash: Trash): void;
  /** Inside a transaction: a file of this path is garbage to the next start, unless it has a record by then. */
  note(path: string): void;
  /** Inside a transaction: takes the note back. */
  forget(path: string): void;
  /** Whether a start finds the path noted. */
  has(path: string): boolean;
  /** Forgets all notes: what they are about has been looked at. */
  clear(): void;
}

export function openRemovals(db: Database, root: string): Removals {
  const found = new Set(db.all<{ path: string }>("SELECT path FROM removals").map(({ path }) => join(root, path)));
  /** Of files that are gone: their notes go with the next transaction that writes one, which costs no fsync. */
  const done = new Set<string>();
  const note = (path: string): void =>
    void db.run("INSERT OR REPLACE INTO removals (path) VALUES (?)", relative(root, path));
  const forget = (path: string): void => void db.run("DELETE FROM removals WHERE path = ?", relative(root, path));
  /** One that is rolled back stays noted, which is right as long as its file is gone. */
  const forgetDone = (): void => {
    for (const path of done.values().take(FORGOTTEN_AT_ONCE)) {
      forget(path);
      done.delete(path);
    }
  };
  return {
    add(path, trash) {
      forgetDone();
      note(path);
      db.afterCommit(() => {
        trash.take(path);
        done.add(path);
      });
    },
    note,
    forget,
    has: (path) => found.has(path),
    clear() {
      if (found.size > 0) db.transaction(() => db.run("DELETE FROM removals"), "frees");
      found.clear();
    },
  };
}
