import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/** Bytes that are hashed before others get their turn: some tenths of a millisecond. */
const PIECE = 256 << 10;

export interface HashedFile {
  readonly size: number;
  readonly digest: string;
  /** Its number on its file system: another file of the same name has another. */
  readonly inode: number;
}

/**
 * The size and digest of a file; null where it is missing. Reads in the thread pool and hashes in pieces. Throws the
 * signal's reason once that is aborted.
 */
export async function hashFile(
  path: string,
  { signal, onBytes }: { signal?: AbortSignal; onBytes?: (count: number) => void } = {},
): Promise<HashedFile | null> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafe(PIECE);
    let size = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, PIECE, size);
      if (bytesRead === 0) break;
      signal?.throwIfAborted();
      hash.update(buffer.subarray(0, bytesRead));
      size += bytesRead;
      onBytes?.(bytesRead);
    }
    const { ino } = await file.stat();
    return { size, digest: `sha256:${hash.digest("hex")}`, inode: ino };
  } finally {
    await file.close();
  }
}
