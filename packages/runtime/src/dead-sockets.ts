// A shim that is killed leaves its socket. Where it has told its address, that goes with the shim; one that was killed
// before is known by nothing but its socket's place: the directory that we give to our shims is theirs alone.
import { lstatSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { dial, NobodyListens } from "@berth/transport";

/** A shim's socket is called by a hash (shim contract); its debug socket as well. */
const NAME = /^[0-9a-f]{64}$/;

/** Milliseconds that a shim has to accept; one that takes longer lives. */
const PATIENCE_MS = 1_000;

/**
 * Removes the sockets of a directory that no process has bound (proc_net(5), unix) and nobody answers at. The kernel lists
 * those of our network namespace alone, so that a shim of another is known by its answer; and one that has bound its
 * socket and does not listen yet by the list.
 */
export async function removeDeadSockets(directory: string): Promise<void> {
  const found = namesIn(directory).flatMap((name) => {
    const path = join(directory, name);
    const inode = socketAt(path);
    return inode === null ? [] : [{ path, inode }];
  });
  if (found.length === 0) return;
  const bound = new Set(
    readFileSync("/proc/self/net/unix", "latin1")
      .split("\n")
      .map((line) => line.slice(line.indexOf(" /") + 1)),
  );
  for (const { path, inode } of found) {
    if (bound.has(path) || (await isAnswered(path))) continue;
    // One that has been made meanwhile is another file.
    if (socketAt(path) === inode) unlinkSync(path);
  }
}

async function isAnswered(path: string): Promise<boolean> {
  try {
    const socket = await dial(path, `the shim at ${path}`, PATIENCE_MS);
    socket.destroy();
    return true;
  } catch (error) {
    return !(error instanceof NobodyListens);
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => NAME.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Number of the socket's inode; null where there is none. */
function socketAt(path: string): bigint | null {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return found?.isSocket() ? found.ino : null;
}
