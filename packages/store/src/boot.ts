import { readFileSync } from "node:fs";
import type { Database } from "./database.ts";

/** This boot of the machine (random(4), /proc/sys/kernel/random/boot_id). */
export const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** What a start has to know of those before. */
export interface Session {
  /** Starts on this root, with this one. */
  readonly number: number;
  /** Blobs that are to be verified before their first use. */
  readonly suspects: number;
}

/**
 * Notes that the store is in use. Where the machine went down while it was, what was written during that boot
 * may be torn in spite of fsync (disks lie), and is marked to be verified before its first use.
 * A killed process alone tears nothing: the kernel still writes what it was given.
 */
export function beginSession(db: Database, boot: string): Session {
  return db.transaction(() => {
    const value = (key: string): string =>
      db.get<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)?.value ?? "";
    const last = value("boot");
    const torn = last !== "" && last !== boot && value("clean") !== "yes";
    const suspects = torn ? db.run("UPDATE blobs SET suspect = 1 WHERE boot = ?", last) : 0;
    const number = Number(value("session")) + 1;
    db.run(
      "INSERT OR REPLACE INTO meta (key, value) VALUES ('boot', ?), ('clean', 'no'), ('session', ?), ('commits', '0')",
      boot,
      String(number),
    );
    return { number, suspects };
  });
}

/** Notes that everything was put away. */
export function endSession(db: Database): void {
  db.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('clean', 'yes')");
}
