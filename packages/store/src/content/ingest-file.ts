import { createHash, type Hash } from "node:crypto";
import { type FileHandle, mkdir, open, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { formatInstant, type Instant, invalidArgument } from "@berth/base";
import { fileError } from "../full-disk.ts";
import { syncDirectory } from "../sync-directory.ts";

const CHUNK = 1 << 20;

/** The data of an ingest with the hash of what is in it. What the hash has seen is what the file holds. */
export interface IngestFile extends AsyncDisposable {
  readonly offset: number;
  append(chunk: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
  /** sha256 of what was written so far. */
  digest(): string;
  /** Gives the file the time of its last byte. The kernel's own is up to a tick (4 ms) behind the clock. */
  stamp(updatedAt: Instant): Promise<void>;
  /** Puts the bytes on disk, read-only, and gives them the name; the name is durable when this resolves. */
  moveTo(path: string): Promise<void>;
}

/** Opens the data in the directory, made where absent; what is there already is hashed again. */
export async function openIngestFile(
  directory: string,
  about: { ref: string; startedAt: Instant; total: number },
): Promise<IngestFile> {
  const doing = `receiving ${JSON.stringify(about.ref)}`;
  const data = join(directory, "data");
  let file: FileHandle;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // Not read by us (the database knows them), but by people and by tools for containerd's layout.
    await Promise.all([
      writeFile(join(directory, "ref"), about.ref),
      writeFile(join(directory, "startedat"), formatInstant(about.startedAt)),
      writeFile(join(directory, "updatedat"), formatInstant(about.startedAt)),
      about.total > 0 ? writeFile(join(directory, "total"), String(about.total)) : null,
    ]);
    file = await open(data, "a+", 0o600);
  } catch (error) {
    throw fileError(error, directory, doing);
  }
  let hash: Hash = createHash("sha256");
  let offset = 0;
  try {
    ({ hash, offset } = await hashOf(file, Number.POSITIVE_INFINITY));
  } catch (error) {
    await file.close();
    throw error;
  }

  return {
    get offset() {
      return offset;
    },
    async append(chunk) {
      try {
        // Appending: the file's end is `offset`, see below.
        for (let done = 0; done < chunk.length; ) {
          const { bytesWritten } = await file.write(chunk, done, chunk.length - done);
          done += bytesWritten;
        }
      } catch (error) {
        // Part of the chunk may be there; without it the ingest can be resumed.
        await file.truncate(offset);
        throw fileError(error, directory, doing);
      }
      hash.update(chunk);
      offset += chunk.length;
    },
    async truncate(size) {
      if (size > offset) throw invalidArgument(`cannot truncate ${about.ref} to ${size} bytes: it has ${offset}`);
      await file.truncate(size);
      ({ hash, offset } = await hashOf(file, size));
    },
    digest: () => `sha256:${hash.copy().digest("hex")}`,
    async stamp(updatedAt) {
      const seconds = Number(updatedAt) / 1e9;
      await file.utimes(seconds, seconds);
    },
    async moveTo(path) {
      try {
        await file.chmod(0o444);
        await file.sync();
        await rename(data, path);
        await syncDirectory(dirname(path));
      } catch (error) {
        throw fileError(error, directory, doing);
      }
    },
    async [Symbol.asyncDispose]() {
      await file.close();
    },
  };
}

async function hashOf(file: FileHandle, limit: number): Promise<{ hash: Hash; offset: number }> {
  const hash = createHash("sha256");
  const size = Math.min(limit, (await file.stat()).size);
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size));
  let offset = 0;
  while (offset < size) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - offset), offset);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    offset += bytesRead;
  }
  return { hash, offset };
}
