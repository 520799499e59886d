import { env, hex, isCode, mkdir, mkfifo, randomBytes, removeTree } from "@berth/host";
import { atExit } from "./leave.ts";

/** A private directory with the FIFOs of one process; gone with the object. */
export interface FifoDirectory extends Disposable {
  /** Makes a FIFO and returns its path. */
  add(name: string): string;
}

/** Makes the directory beside the supervisor's socket, where its shims see it too, or else where this user may. */
export function makeFifoDirectory(address: string): FifoDirectory {
  const path = makePrivate([`${parentOf(address)}/fifo`, env("XDG_RUNTIME_DIR") ?? "", "/tmp"]);
  const owned = atExit(() => removeTree(path));
  return {
    add(name) {
      const fifo = `${path}/${name}`;
      mkfifo(fifo, 0o600);
      return fifo;
    },
    [Symbol.dispose]: () => owned[Symbol.dispose](),
  };
}

function makePrivate(parents: readonly string[]): string {
  let problem: unknown = null;
  for (const parent of parents.filter((path) => path.startsWith("/"))) {
    const path = `${parent}/berth-${hex(randomBytes(8))}`;
    try {
      if (parent.endsWith("/fifo")) makeOnce(parent);
      mkdir(path, 0o700);
      return path;
    } catch (error) {
      if (!isCode(error, "EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR", "ENOSPC")) throw error;
      problem ??= error;
    }
  }
  throw problem;
}

function makeOnce(path: string): void {
  try {
    mkdir(path, 0o700);
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
  }
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));
