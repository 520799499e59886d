import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, failedPrecondition, type Log, mountsBelow } from "@berth/base";

/** Below the root, and below the state directory. */
export const QUARANTINE = "io.berth.quarantine.v1";

/** `TIME/blobs/HEX`, `TIME/ingests/NAME`, `TIME/snapshots/SNAPSHOTTER/NUMBER`, `TIME/bundles/NAMESPACE/ID`, `TIME/tasks/NAMESPACE/ID`. */
export type QuarantineArea =
  | "blobs"
  | "ingests"
  | `snapshots/${string}`
  /** What the state directory has of tasks. */
  | `bundles/${string}`
  /** What the root has of tasks: their work directories. */
  | `tasks/${string}`;

/**
 * Where things go that a start finds on disk and cannot explain. They are kept for a time, for the records of them may
 * only be lost.
 */
export interface Quarantine {
  /** Moves the file or directory there and gives its new path; null where that fails, and it stays in its place, untouched. */
  take(area: QuarantineArea, path: string, name: string): string | null;
  /** Says what was taken since it was last said, if anything. */
  tell(): void;
  /** Deletes what has been there for longer than it is kept. */
  expire(): void;
  /** Resolves when what was expired so far is deleted. */
  empty(): Promise<void>;
}

/** What is put aside within this time is one batch, kept from its first on. */
const BATCH_MS = 60_000;

export function openQuarantine(options: { directory: string; keepMs: number; clock: Clock; log: Log }): Quarantine {
  const { directory, keepMs, clock, log } = options;
  const top = join(directory, QUARANTINE);
  const now = () => milliseconds(clock);
  let batch = { path: "", since: 0 };
  const counts = new Map<string, number>();
  const running = new Set<Promise<void>>();
  let stuck = 0;
  return {
    take(area, path, name) {
      if (batch.path === "" || now() - batch.since >= BATCH_MS)
        batch = { path: join(top, nameOfBatch(clock)), since: now() };
      const folder = join(batch.path, area);
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const place = freePlace(folder, name);
        renameSync(path, place);
        counts.set(area, (counts.get(area) ?? 0) + 1);
        return place;
      } catch (err) {
        stuck++;
        log.warn("what is not known cannot be put aside and stays in its place", { path, err });
        return null;
      }
    },
    tell() {
      const count = [...counts.values()].reduce((sum, one) => sum + one, 0);
      if (count === 0) return;
      const parts = [...counts].map(([area, number]) => `${number} ${area}`).join(", ");
      log.warn(
        `the disk had ${parts} that the database does not know: put aside, to be deleted ${period(keepMs)}; \`berthd recover\` takes them back`,
        { path: batch.path, count: count + stuck },
      );
      counts.clear();
      stuck = 0;
    },
    expire() {
      for (const { name, since } of batchesIn(top)) {
        if (now() - since.getTime() < keepMs) continue;
        const path = join(top, name);
        log.info("what was put aside is deleted", { path });
        const done = deleteBatch(path)
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

/** Never one that is taken: a directory would be replaced if it is empty, and a file in any case. */
function freePlace(folder: string, name: string): string {
  for (let copy = 1; ; copy++) {
    const place = join(folder, copy === 1 ? name : `${name}.${copy}`);
    if (lstatSync(place, { throwIfNoEntry: false }) === undefined) return place;
  }
}

/** What starts have put aside below these directories: a directory each, oldest first. */
export const listQuarantine = (...directories: string[]): { path: string; since: Date }[] =>
  directories
    .flatMap((directory) => {
      const top = join(directory, QUARANTINE);
      return batchesIn(top).map(({ name, since }) => ({ path: join(top, name), since }));
    })
    .sort(byTime);

/** Deletes what was put aside together. Throws failed-precondition where something is mounted in it: that is not ours to delete. */
export async function deleteBatch(path: string): Promise<void> {
  const [mount] = mountsBelow(readFileSync("/proc/self/mountinfo", "utf8"), path);
  if (mount !== undefined)
    throw failedPrecondition(`${path} cannot be deleted: something is mounted at ${mount}: unmount it first`);
  await rm(path, { recursive: true, force: true });
}

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
    .sort(byTime);
}

const byTime = (a: { since: Date }, b: { since: Date }): number => a.since.getTime() - b.since.getTime();

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
