// A file that is there once it is whole.
import { BerthError, messageOf } from "@berth/base";
import { type Fd, hex, isCode, O, onSignal, open, randomBytes, rename, stat, stdout, unlink } from "@berth/host";
import { UsageError } from "../cli/usage-error.ts";
import { writeAll } from "../print/write-all.ts";
import { atExit, leave } from "../session/leave.ts";
import { ownDescription } from "./own-description.ts";

const [SIGHUP, SIGINT, SIGTERM] = [1, 2, 15];

/** Where bytes go. Disposed without `done`, nothing of a file is left. */
export interface Output extends Disposable {
  /** Throws a sentence that names the file, or a SystemError if it is a pipe that nobody reads. */
  write(bytes: Uint8Array): Promise<void>;
  /** All was written: the file gets its name. */
  done(): void;
}

/** stdout for an empty name. Devices and FIFOs are written to as they are. Throws UsageError for what cannot be. */
export function openOutput(path: string): Output {
  if (path === "") return directOutput(ownDescription(stdout, O.WRONLY), "stdout");
  const found = stat(path);
  if (found?.kind === "directory") throw new UsageError(`${JSON.stringify(path)} is a directory: name a file in it`);
  if (found === null || found.kind === "file") return fileOutput(path);
  return directOutput(openOrRefuse(path, path, O.WRONLY), path);
}

const directOutput = (fd: Fd, path: string): Output => ({
  write: (bytes) => writeTo(fd, path, bytes),
  done() {},
  [Symbol.dispose]() {},
});

/** Writes beside the file, and renames over it. */
function fileOutput(path: string): Output {
  const name = path.lastIndexOf("/") + 1;
  const partial = `${path.slice(0, name)}.${path.slice(name)}.${hex(randomBytes(4))}.part`;
  // First: they would end the program without a word.
  const signals = [SIGHUP, SIGINT, SIGTERM].map((signal) => onSignal(signal, () => leave(128 + signal)));
  const fd = openOrRefuse(partial, path, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW);
  const removal = atExit(() => unlink(partial, { force: true }));
  return {
    write: (bytes) => writeTo(fd, path, bytes),
    done() {
      try {
        fd.close();
        rename(partial, path);
      } catch (error) {
        throw cannotWrite(path, error);
      }
    },
    [Symbol.dispose]() {
      if (!fd.closed) fd.close();
      removal[Symbol.dispose]();
      for (const signal of signals) signal[Symbol.dispose]();
    },
  };
}

function openOrRefuse(path: string, named: string, flags: number): Fd {
  try {
    return open(path, flags);
  } catch (error) {
    throw new UsageError(`cannot write ${JSON.stringify(named)}: ${reasonOf(error)}`);
  }
}

async function writeTo(fd: Fd, path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeAll(fd, bytes);
  } catch (error) {
    // The program ends as one that SIGPIPE ended.
    if (isCode(error, "EPIPE")) throw error;
    throw cannotWrite(path, error);
  }
}

const cannotWrite = (path: string, error: unknown): Error =>
  new BerthError("unknown", `cannot write ${JSON.stringify(path)}: ${reasonOf(error)}`, { cause: error });

/** Without the call and the path, which may be one that nobody named. */
const reasonOf = (error: unknown): string => messageOf(error).replace(/^.*: /, "");
