import { dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { inWords, noSpace, spaceOf } from "./full-disk.ts";
import { spareFile } from "./spare-file.ts";
import { growLog, isLogGrown } from "./wal-room.ts";

/**
 * What a disk keeps back for the database, so that containers can be stopped and removed when nothing is free: a
 * write-ahead log that has its size already, free pages inside the database, and a file that is given back when even
 * these do not suffice (on file systems that never write a block twice, such as btrfs, it is what helps).
 */
export interface DiskRoom {
  /** Throws resource-exhausted where the disk has no room for new work. Makes first what is missing of the room. */
  admit(): void;
  /** Gives the file back. False where it was given back before. */
  release(): boolean;
  /** Makes what is missing, where the disk has plenty. */
  refill(): void;
}

const KIB = 1 << 10;
const MIB = 1 << 20;
const PAGE = 4 * KIB;
/** The file, the log, the pages, and what new work may need on top. */
const PARTS = 4;

/** A 64th of the disk, from 128 KiB to 4 MiB, in whole pages. */
export function roomFor(directory: string): number {
  const share = Math.floor(spaceOf(directory).total / 64);
  return Math.floor(Math.min(4 * MIB, Math.max(128 * KIB, share)) / PAGE) * PAGE;
}

/** Pages of the log after which it is copied into the database: half of it is left for one large transaction. */
export const checkpointPages = (room: number): number => room / 2 / PAGE;

/** `path` is that of the open database; `root` is what a caller is told is full. */
export function openDiskRoom(db: DatabaseSync, path: string, root: string): DiskRoom {
  const bytes = roomFor(root);
  const spare = spareFile(join(dirname(path), "spare"), bytes);
  // What an earlier run has left in place needs no room.
  let logIsGrown = isLogGrown(path, bytes);

  const freePages = (): number =>
    Number((db.prepare("PRAGMA freelist_count").get() as { freelist_count: number }).freelist_count);

  /** Pages that a later growth is served from. They must have been written once to have blocks. */
  function makePages(): void {
    db.exec("DROP TABLE IF EXISTS spare");
    db.exec(`CREATE TABLE spare AS SELECT randomblob(${bytes / 2}) AS bytes`);
    db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    db.exec("DROP TABLE spare");
  }

  function refill(): void {
    if (spaceOf(root).free < PARTS * bytes) return;
    logIsGrown ||= growLog(path, bytes);
    if (!logIsGrown) return;
    if (freePages() < checkpointPages(bytes) / 2) makePages();
    spare.make();
  }

  refill();
  return {
    admit() {
      const { free } = spaceOf(root);
      if (free >= bytes && logIsGrown && spare.exists) return;
      if (free >= PARTS * bytes) refill();
      if (!logIsGrown || !spare.exists || spaceOf(root).free < bytes)
        throw noSpace(root, `for new work, which needs ${inWords(PARTS * bytes)}`);
    },
    release: () => spare.release(),
    refill,
  };
}
