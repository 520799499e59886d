import { join, relative } from "node:path";
import type { Database } from "./database.ts";
import type { Trash } from "./trash.ts";

/**
 * What was deleted as records and may still be there as files. A transaction that deletes a record notes the file;
 * the file goes once that is durable. Where a crash comes in between, the next start knows by the note that the file
 * is garbage: files without a record and without a note are never deleted.
 */
export interface Removals {
  /** Inside a transaction: the path (below the root) goes to the trash once it is durable. */
  add(path: string, trash: Trash): void;
  /** Whether a start finds the path noted. */
  has(path: string): boolean;
  /** Forgets all notes: what they are about has been looked at. */
  clear(): void;
}

export function openRemovals(db: Database, root: string): Removals {
  const found = new Set(db.all<{ path: string }>("SELECT path FROM removals").map(({ path }) => join(root, path)));
  /** Of files that are gone: their notes go with the next transaction that writes one, which costs no fsync. */
  let done: string[] = [];
  return {
    add(path, trash) {
      const gone = done;
      for (const one of gone) db.run("DELETE FROM removals WHERE path = ?", relative(root, one));
      db.run("INSERT OR REPLACE INTO removals (path) VALUES (?)", relative(root, path));
      db.afterCommit(() => {
        done = done.filter((one) => !gone.includes(one));
        trash.take(path);
        done.push(path);
      });
    },
    has: (path) => found.has(path),
    clear() {
      if (found.size > 0) db.transaction(() => db.run("DELETE FROM removals"), "frees");
      found.clear();
    },
  };
}
