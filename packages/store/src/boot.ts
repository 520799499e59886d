import { readFileSync } from "node:fs";
import type { Database } from "./database.ts";

/** This boot of the machine (random(4), /proc/sys/kernel/random/boot_id). */
export const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** Whether what is written now is known to be under way: noted with the first blob, since starting writes nothing. */
export interface BootSession {
  /** Blobs that may be torn, for the machine went down while the store was in use. */
  readonly suspects: number;
  /** Inside a transaction that adds a blob. */
  begin(): void;
  /** Notes that everything was put away. */
  end(): void;
}

/**
 * Where the machine went down while the store was in use, what was written during that boot may be torn in spite of
 * fsync (disks lie), and is marked to be verified before its first use. A killed process alone tears nothing: the kernel
 * still writes what it was given.
 */
export function openBootSession(db: Database, boot: string): BootSession {
  const value = (key: string): string =>
    db.get<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)?.value ?? "";
  const note = (clean: "yes" | "no") =>
    db.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('boot', ?), ('clean', ?)", boot, clean);
  const last = value("boot");
  let isNoted = last === boot && value("clean") === "no";
  const torn = last !== "" && last !== boot && value("clean") !== "yes";
  const suspects = torn
    ? db.transaction(() => {
        const count = db.run("UPDATE blobs SET suspect = 1 WHERE boot = ?", last);
        note("no");
        return count;
      }, "frees")
    : 0;
  isNoted ||= torn;
  return {
    suspects,
    begin() {
      if (isNoted) return;
      note("no");
      db.afterCommit(() => {
        isNoted = true;
      });
    },
    end() {
      if (isNoted) db.transaction(() => note("yes"), "frees");
    },
  };
}
