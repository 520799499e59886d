import { env, type Fd, hex, isCode, mkdir, mkfifo, O, open, randomBytes, removeTree } from "@berth/host";
import { atExit } from "../session/leave.ts";

/**
 * A private directory with the FIFOs of one process; gone with the object, or when the program ends. As long as we have it
 * `alive`, a FIFO that carries nothing, is open for writing: its end tells the supervisor that nobody reads the others.
 */
export interface FifoDirectory extends Disposable {
  /** Makes a FIFO and returns its path. */
  add(name: string): string;
  /** The process goes on without us: the supervisor reads its output, and removes the directory. */
  leave(): void;
  /** There is a process: from now on a program that ends without a word leaves it as well. */
  keep(): void;
}

/** Makes the directory beside the supervisor's socket, where its shims see it too, or else where this user may. */
export function makeFifoDirectory(address: string): FifoDirectory {
  const path = makePrivate([`${parentOf(address)}/fifo`, env("XDG_RUNTIME_DIR") ?? "", "/tmp"]);
  let removes = true;
  const owned = atExit(() => {
    if (removes) removeTree(path);
  });
  const add = (name: string): string => {
    const fifo = `${path}/${name}`;
    mkfifo(fifo, 0o600);
    return fifo;
  };
  const alive = add("alive");
  const hold = holdWriting(alive);
  return {
    add,
    leave() {
      removes = false;
      hold.close();
    },
    keep() {
      removes = false;
    },
    [Symbol.dispose]() {
      if (hold.closed) return;
      removes = true;
      owned[Symbol.dispose]();
      hold.close();
    },
  };
}

/** Opening the writing end alone fails while nobody reads. */
function holdWriting(path: string): Fd {
  using _both = open(path, O.RDWR | O.NONBLOCK);
  return open(path, O.WRONLY | O.NONBLOCK);
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
