import assert from "node:assert/strict";
import { closeSync, openSync, writeSync } from "node:fs";

/** Appends to a file until no block of its disk is free. */
export function fillDisk(path: string): void {
  const fd = openSync(path, "a");
  const block = Buffer.alloc(4096, 1);
  try {
    for (;;) writeSync(fd, block);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  } finally {
    closeSync(fd);
  }
}
