// The FIFOs that a client has made for a process, in a directory of their own. One of them, `alive`, carries nothing:
// the reader of the outputs holds its writing end, so that the kernel tells when nobody does any more.
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";

const ALIVE = "alive";
const NAMES = ["stdin", "stdout", "stderr", ALIVE];

/**
 * Opens a FIFO for reading without waiting for a writer. Null where there is none. Throws for a file of another kind. Its
 * end is told to a poller even if nobody writes: a reader that was opened before the first writer is told nothing
 * (fifo_open in fs/pipe.c), so we are one for the moment.
 */
export function openReading(directory: string, name: string): number | null {
  const both = openBoth(directory, name);
  if (both === null) return null;
  try {
    return openSync(join(directory, name), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } finally {
    closeSync(both);
  }
}

/** For reading and writing, which no FIFO refuses. */
function openBoth(directory: string, name: string): number | null {
  const path = join(directory, name);
  try {
    if (!lstatSync(path).isFIFO()) throw new Error(`${path} is no FIFO`);
    return openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}

export interface ReadersWatch extends Disposable {}

/** Calls back once when nobody reads the outputs any more; soon where nobody does now. */
export function watchReaders(directory: string, onEnd: () => void): ReadersWatch {
  const fd = openReading(directory, ALIVE);
  if (fd === null) {
    const soon = setImmediate(onEnd);
    return { [Symbol.dispose]: () => clearImmediate(soon) };
  }
  const socket = new Socket({ fd, readable: true, writable: false });
  let over = false;
  const end = () => {
    if (over) return;
    over = true;
    socket.destroy();
    onEnd();
  };
  socket.resume();
  socket.once("end", end);
  socket.once("error", end);
  socket.unref();
  return {
    [Symbol.dispose]() {
      over = true;
      socket.destroy();
    },
  };
}

/** For a program that is to read the outputs in the client's place. Null where the directory has gone. */
export const openAlive = (directory: string): number | null => openBoth(directory, ALIVE);

/** Whether a client has made this directory, and said so with `alive`. */
export function isFifoDirectory(directory: string): boolean {
  try {
    return statSync(join(directory, ALIVE)).isFIFO();
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

/** Removes the FIFOs and the directory, unless something else is in it. */
export function removeFifos(directory: string): void {
  try {
    for (const name of readdirSync(directory)) if (NAMES.includes(name)) unlinkSync(join(directory, name));
    rmdirSync(directory);
  } catch (error) {
    // Its client, or an earlier removal, was first; or somebody has put something there.
    if (!hasCode(error, "ENOENT", "ENOTEMPTY")) throw error;
  }
}

/** How long a client has from its directory to its hold on `alive`. */
const YOUNG_MS = 30_000;

/** Directories in `parent` that clients have left, without any that `isKept`. */
export function abandonedDirectories(parent: string, isKept: (directory: string) => boolean, now: number): string[] {
  return namesIn(parent)
    .map((name) => join(parent, name))
    .filter((directory) => !isKept(directory) && isAbandoned(directory, now));
}

function isAbandoned(directory: string, now: number): boolean {
  if (!isFifoDirectory(directory) || now - statSync(directory).mtimeMs < YOUNG_MS) return false;
  return !isAttended(directory);
}

/** Whether somebody reads the outputs: who made them, or a program in its place. */
export function isAttended(directory: string): boolean {
  const fd = openReading(directory, ALIVE);
  if (fd === null) return false;
  try {
    // The end of the file: nobody can write. Else nothing is there to be read yet.
    return readSync(fd, Buffer.alloc(1)) !== 0;
  } catch (error) {
    if (hasCode(error, "EAGAIN")) return true;
    throw error;
  } finally {
    closeSync(fd);
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

const hasCode = (error: unknown, ...codes: string[]): boolean =>
  codes.includes((error as NodeJS.ErrnoException).code ?? "");
