import { statfsSync } from "node:fs";
import { type BerthError, resourceExhausted } from "@berth/base";

/** Bytes of a file system: all, and those that this process may still write. */
export interface Space {
  readonly total: number;
  readonly free: number;
}

/**
 * What the disk of a directory has. Root may use the blocks that ext4 keeps for it, but not those that ext4 keeps for
 * itself: a fiftieth, and 4096 at most (reserved_clusters in Documentation/ABI/testing/sysfs-fs-ext4).
 */
export function spaceOf(directory: string): Space {
  const { blocks, bfree, bavail, bsize } = statfsSync(directory);
  const forRoot = bfree - Math.min(Math.ceil(blocks / 50), 4096);
  const free = process.geteuid?.() === 0 ? Math.max(bavail, forRoot) : bavail;
  return { total: blocks * bsize, free: free * bsize };
}

/** The disk of the directory is full: says how full, and what to do. `doing` is a clause, such as "while making x". */
export function noSpace(directory: string, doing: string, cause?: unknown): BerthError {
  return resourceExhausted(
    `no space left on the disk of ${directory} ${doing} (${inWords(spaceOf(directory).free)} free): remove containers, images or other files to free some and try again`,
    { cause },
  );
}

/** An error of the file system as what a client is told: a full disk or quota by its name, others as they are. */
export function fileError(error: unknown, directory: string, doing: string): unknown {
  return isNoSpace(error) ? noSpace(directory, `while ${doing}`, error) : error;
}

export function isNoSpace(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** Bytes for a person: 0 bytes, 640 kB, 12 MB. */
export function inWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = -1;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Math.floor(value)} ${units[unit]}`;
}
