// The write-ahead log of SQLite keeps its size while the database is open: it is written again from its start after
// each checkpoint. So one that has grown once is room for all transactions to come, whatever else fills the disk.
// SQLite deletes the log when it closes the database; a second name keeps the blocks for the next start.
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { isNoSpace } from "./full-disk.ts";

/** Of the log's header (https://sqlite.org/fileformat2.html#walformat); without one the log is empty. */
const HEADER = 32;

const logOf = (database: string): string => `${database}-wal`;
const keptOf = (database: string): string => `${database}-room`;

/** Before the database is opened: what was kept is its log again. */
export function takeLogRoom(database: string): void {
  const kept = keptOf(database);
  if (!existsSync(kept)) return;
  // A log that is there was not deleted: the two are one file, and what is in it counts.
  if (existsSync(logOf(database))) {
    rmSync(kept);
    return;
  }
  const fd = openSync(kept, "r+");
  try {
    // In place: no block is needed for it.
    writeSync(fd, Buffer.alloc(HEADER), 0, HEADER, 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(kept, logOf(database));
}

/** Before the database is closed. */
export function keepLogRoom(database: string): void {
  if (existsSync(keptOf(database)) || !existsSync(logOf(database))) return;
  linkSync(logOf(database), keptOf(database));
}

export const isLogGrown = (database: string, bytes: number): boolean =>
  (statSync(logOf(database), { throwIfNoEntry: false })?.size ?? 0) >= bytes;

/**
 * Makes the log at least so large; SQLite passes zeros behind its last frame over. False where the disk is too full
 * for all of it.
 */
export function growLog(database: string, bytes: number): boolean {
  if (isLogGrown(database, bytes)) return true;
  const fd = openSync(logOf(database), "r+");
  try {
    const zeros = Buffer.alloc(64 << 10);
    for (let size = fstatSync(fd).size; size < bytes; )
      size += writeSync(fd, zeros, 0, Math.min(zeros.length, bytes - size), size);
    fsyncSync(fd);
    return true;
  } catch (error) {
    if (isNoSpace(error)) return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}
