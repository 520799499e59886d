import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/** Bytes that are hashed before others get their turn: some tenths of a millisecond. */
const PIECE = 256 << 10;

/** The size and digest of a file; null where it is missing. Reads in the thread pool and hashes in pieces. */
export async function hashFile(path: string): Promise<{ size: number; digest: string } | null> {
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
      hash.update(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
    return { size, digest: `sha256:${hash.digest("hex")}` };
  } finally {
    await file.close();
  }
}
