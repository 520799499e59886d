// The last step of a container of the runc family, without another process for it. Its init waits to open exec.fifo, and
// `runc start` is the other end (libcontainer, Container.Exec): it reads a byte, until init closes, and unlinks the FIFO, by
// whose absence runc knows that the container runs.
import { type Fd, isCode, lstat, O, open, read, readText, unlink, type Watch, watch, watchPid } from "@berth/host";

/** A state that is longer is left to runc. */
const MOST_STATE = 1 << 20;

/**
 * Starts the container whose state is in the directory, if it is libcontainer's and waits for that alone. False: it is for
 * the runtime to start, or to say why it cannot be.
 */
export async function startByFifo(directory: string, pid: number): Promise<boolean> {
  const path = `${directory}/exec.fifo`;
  if (!isWaiting(directory, path, pid)) return false;
  using fifo = openFifo(path);
  if (fifo === null) return false;
  let bytes = 0;
  const isClosed = (): boolean => {
    for (let got = read(fifo, 16); got !== null; got = read(fifo, 16)) {
      if (got.length === 0) return true;
      bytes += got.length;
    }
    return false;
  };
  // It may end before it comes to open the FIFO, of which that tells nothing.
  const end = watchPid(pid);
  let watching: Watch | null = null;
  try {
    const closed = new Promise<void>((resolve, reject) => {
      watching = watch(fifo, { readable: true }, () => {
        try {
          if (isClosed()) resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    await Promise.race([closed, end.exited]);
    // What it has written before it ended is there still.
    isClosed();
  } finally {
    end.close();
    (watching as Watch | null)?.close();
  }
  if (bytes > 0) unlink(path, { force: true });
  return bytes > 0;
}

function openFifo(path: string): Fd | null {
  try {
    return open(path, O.RDONLY | O.NONBLOCK | O.NOFOLLOW);
  } catch (error) {
    // The container is being removed.
    if (isCode(error, "ENOENT")) return null;
    throw error;
  }
}

function isWaiting(directory: string, fifo: string, pid: number): boolean {
  if (lstat(fifo)?.kind !== "fifo") return false;
  try {
    const state = readText(`${directory}/state.json`, MOST_STATE);
    // Some versions run these hooks at the start. Go's JSON has no blanks, and escapes the quotes in texts.
    return state.includes(`"init_process_pid":${pid},`) && !state.includes('"poststart":[');
  } catch (error) {
    if (isCode(error, "ENOENT", "EFBIG")) return false;
    throw error;
  }
}
