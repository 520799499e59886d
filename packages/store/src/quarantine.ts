import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Log } from "@berth/base";

/** Below the root. */
export const QUARANTINE = "io.berth.quarantine.v1";

export type QuarantineArea = "blobs" | "ingests" | `snapshots/${string}`;

/**
 * Where things go that a start finds on disk and cannot explain: `TIME/blobs/HEX`, `TIME/ingests/NAME`,
 * `TIME/snapshots/SNAPSHOTTER/NUMBER`. They are kept for a time, for the records of them may only be lost.
 */
export interface Quarantine {
  /** Moves the file or directory there; where that fails it stays in its place, untouched. */
  take(area: QuarantineArea, path: string, name: string): void;
  /** Says what this start has taken, if anything. */
  tell(): void;
  /** Deletes what has been there for longer than it is kept. */
  expire(): void;
  /** Resolves when what was expired so far is deleted. */
  empty(): Promise<void>;
}

export function openQuarantine(options: { root: string; keepMs: number; clock: Clock; log: Log }): Quarantine {
  const { root, keepMs, clock, log } = options;
  const top = join(root, QUARANTINE);
  const now = () => milliseconds(clock);
  let batch = "";
  const counts = new Map<string, number>();
  const running = new Set<Promise<void>>();
  let stuck = 0;
  return {
    take(area, path, name) {
      if (batch === "") batch = join(top, nameOfBatch(clock));
      const folder = join(batch, area);
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        renameSync(path, join(folder, name));
        counts.set(area, (counts.get(area) ?? 0) + 1);
      } catch (err) {
        stuck++;
        log.warn("what is not known cannot be put aside and stays in its place", { path, err });
      }
    },
    tell() {
      const count = [...counts.values()].reduce((sum, one) => sum + one, 0);
      if (count === 0) return;
      const parts = [...counts].map(([area, number]) => `${number} ${area}`).join(", ");
      log.warn(
        `the disk had ${parts} that the database does not know: put aside, to be deleted ${period(keepMs)}; \`berthd recover\` takes them back`,
        { path: batch, count: count + stuck },
      );
    },
    expire() {
      for (const { name, since } of batchesIn(top)) {
        if (now() - since.getTime() < keepMs) continue;
        const path = join(top, name);
        log.info("what was put aside is deleted", { path });
        const done = rm(path, { recursive: true, force: true })
          .catch((err) => log.warn("cannot delete what was put aside; the next collection tries again", { path, err }))
          .then(() => {
            running.delete(done);
          });
        running.add(done);
      }
    },
    async empty() {
      await Promise.all(running);
    },
  };
}

/** What starts on this root have put aside: a directory each, oldest first. */
export const listQuarantine = (root: string): { path: string; since: Date }[] =>
  batchesIn(join(root, QUARANTINE)).map(({ name, since }) => ({ path: join(root, QUARANTINE, name), since }));

/** The same by name, in the directory of them all. */
export function batchesIn(top: string): { name: string; since: Date }[] {
  let names: string[];
  try {
    names = readdirSync(top);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return names
    .map((name) => ({ name, since: timeOf(name) }))
    .filter((one): one is { name: string; since: Date } => one.since !== null)
    .sort((a, b) => a.since.getTime() - b.since.getTime());
}

const milliseconds = (clock: Clock): number => Number(clock.now() / 1_000_000n);

/** `20261126T142846.123Z` */
export const nameOfBatch = (clock: Clock): string => new Date(milliseconds(clock)).toISOString().replace(/[-:]/g, "");

function timeOf(name: string): Date | null {
  const [, year, month, day, hour, minute, rest] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3}Z)$/.exec(name) ?? [];
  if (rest === undefined) return null;
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${rest}`);
  return Number.isNaN(time.getTime()) ? null : time;
}

function period(ms: number): string {
  const hours = Math.round(ms / 3_600_000);
  return hours >= 48 ? `after ${Math.round(hours / 24)} days` : `after ${hours} hours`;
}
