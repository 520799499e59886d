import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Core } from "./core.ts";
import { isNoSpace } from "./full-disk.ts";

/**
 * A directory in which things wait to be deleted. Taking something there is one rename, so that its name is
 * free at once; the deletion itself goes on in the background, and after a crash at the next start.
 */
export interface Trash {
  /** Absent is fine. Must be on the same filesystem. */
  take(path: string): void;
  /** Resolves when what was taken so far is deleted. */
  empty(): Promise<void>;
}

export function openTrash(directory: string, { db, log }: Pick<Core, "db" | "log">): Trash {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const running = new Set<Promise<void>>();
  let taken = 0;
  const remove = (path: string): void => {
    const done = rm(path, { recursive: true, force: true, maxRetries: 2 })
      .catch((err) => log.warn("cannot delete what was removed; the next start tries again", { path, err }))
      .then(() => {
        running.delete(done);
      });
    running.add(done);
  };
  for (const name of readdirSync(directory)) remove(join(directory, name));
  const session = `${Date.now()}-${process.pid}`;
  const move = (path: string, target: string): void => {
    try {
      renameSync(path, target);
    } catch (error) {
      // The directory needs one more block for the name.
      if (!isNoSpace(error) || !db.release()) throw error;
      renameSync(path, target);
    }
  };
  return {
    take(path) {
      const target = join(directory, `${session}-${taken++}`);
      try {
        move(path, target);
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code === "ENOENT") return;
        log.warn("cannot move away what was removed; the next start tries again", { path, err });
        return;
      }
      remove(target);
    },
    async empty() {
      await Promise.all(running);
    },
  };
}
