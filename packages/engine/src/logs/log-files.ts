// The files of one container's log: a directory with `log`, which is written to, and `log.1`, `log.2`… before it.
import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { FILE_HEAD, sequenceIn } from "./log-record.ts";

/** What is written to. */
export const CURRENT = "log";

export interface LogFile {
  /** Each file has the next; 0 is one that holds bare output, from before logs had records. */
  readonly sequence: number;
  readonly handle: FileHandle;
}

/**
 * Opens the files of the log whose sequence number is `after` or more, oldest first. Nothing is missed while files are
 * renamed: that goes to higher numbers only, and these are looked at in rising order.
 */
export async function openLogFiles(directory: string, atLeast: number): Promise<LogFile[]> {
  const found = new Map<number, LogFile>();
  try {
    for (const name of await namesOf(directory)) {
      const file = await openLogFile(join(directory, name));
      if (file === null) continue;
      if (file.sequence < atLeast || found.has(file.sequence)) await file.handle.close();
      else found.set(file.sequence, file);
    }
  } catch (error) {
    await closeAll([...found.values()]);
    throw error;
  }
  return [...found.values()].sort((one, other) => one.sequence - other.sequence);
}

export async function closeAll(files: readonly LogFile[]): Promise<void> {
  for (const { handle } of files) await handle.close();
}

/** null: it is not there (any more), or has nothing in it yet. */
export async function openLogFile(path: string): Promise<LogFile | null> {
  let handle: FileHandle;
  let kept = false;
  try {
    handle = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(FILE_HEAD), 0, FILE_HEAD, 0);
    kept = bytesRead > 0;
    if (kept) return { sequence: sequenceIn(buffer.subarray(0, bytesRead)), handle };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EISDIR") return null;
    throw error;
  } finally {
    if (!kept) await handle.close();
  }
  return null;
}

async function namesOf(directory: string): Promise<string[]> {
  const numbers: number[] = [];
  for (const name of await readdir(directory).catch(noneIfMissing)) {
    const index = name === CURRENT ? 0 : Number(/^log\.(\d{1,6})$/.exec(name)?.[1]);
    if (!Number.isNaN(index)) numbers.push(index);
  }
  // A file that gets a number while we look is found under it: the last of them may become one more.
  const most = Math.max(0, ...numbers) + 1;
  return Array.from({ length: numbers.length === 0 ? 0 : most + 1 }, (_, index) =>
    index === 0 ? CURRENT : `${CURRENT}.${index}`,
  );
}

function noneIfMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === "ENOENT") return [];
  throw error;
}
