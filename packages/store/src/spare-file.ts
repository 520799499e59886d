import { randomFillSync } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { isNoSpace } from "./full-disk.ts";

/** A file that holds blocks of a disk, to be given back when records must be written and nothing else is free. */
export interface SpareFile {
  readonly exists: boolean;
  /** False where it was given back before. */
  release(): boolean;
  /** Makes it, where it is missing. False where the disk is too full for it. */
  make(): boolean;
}

/** The file is made by `make`. Its bytes are random, so that no file system compresses them or leaves a hole. */
export function spareFile(path: string, bytes: number): SpareFile {
  let exists = (statSync(path, { throwIfNoEntry: false })?.size ?? 0) >= bytes;
  return {
    get exists() {
      return exists;
    },
    release() {
      if (!exists) return false;
      // Not every file system frees the blocks of a name that is gone at once; those of a cut file are.
      closeSync(openSync(path, "w"));
      rmSync(path, { force: true });
      exists = false;
      return true;
    },
    make() {
      if (exists) return true;
      const temporary = `${path}.new`;
      if (!write(temporary, randomFillSync(Buffer.allocUnsafe(bytes)))) {
        rmSync(temporary, { force: true });
        return false;
      }
      renameSync(temporary, path);
      exists = true;
      return true;
    },
  };
}

/** False where the disk has no room for the bytes. */
function write(path: string, bytes: Uint8Array): boolean {
  try {
    const fd = openSync(path, "w", 0o600);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      // A file system that allocates late says only now that it cannot.
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    return true;
  } catch (error) {
    if (isNoSpace(error)) return false;
    throw error;
  }
}
