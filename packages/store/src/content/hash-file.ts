import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/** Bytes that are hashed before others get their turn: some tenths of a millisecond. */
const PIECE = 256 << 10;

/** What a disk answers that has lost a file's bytes, or a file system whose checksums say so. */
const UNREADABLE: ReadonlySet<string | undefined> = new Set(["EIO", "EUCLEAN", "EBADMSG"]);

export interface HashedFile {
  /** Bytes that were read. */
  readonly size: number;
  /** null where the disk has lost them. */
  readonly digest: string | null;
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
      const bytesRead = await readInto(file, buffer, size);
      if (bytesRead === null) return { size, digest: null, inode: (await file.stat()).ino };
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

/** Fills the buffer from there on as far as the file goes; null where the disk has lost the bytes. */
export async function readInto(file: FileHandle, buffer: Uint8Array, at: number): Promise<number | null> {
  try {
    return (await file.read(buffer, 0, buffer.length, at)).bytesRead;
  } catch (error) {
    if (UNREADABLE.has((error as NodeJS.ErrnoException).code)) return null;
    throw error;
  }
}
