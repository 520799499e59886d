// A shim that is killed leaves its socket. Where it has told its address, that goes with the shim; one that was killed
// before is known by nothing but its socket's place: the directory that we give to our shims is theirs alone.
import { lstatSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";

/** A shim's socket is called by a hash (shim contract); its debug socket as well. */
const NAME = /^[0-9a-f]{64}$/;

/** Removes the sockets of a directory that no process has bound (proc_net(5), unix). Anything else stays. */
export function removeDeadSockets(directory: string): void {
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
  // One that has been made meanwhile is another file.
  for (const { path, inode } of found) if (!bound.has(path) && socketAt(path) === inode) unlinkSync(path);
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
