// The files of a container's log: `PATH` is written to, `PATH.1` is the one before it, and so on.
import {
  endsWhole,
  type Fd,
  isCode,
  logHead,
  logSequence,
  O,
  open,
  openLogFile,
  rename,
  SystemError,
  stat,
  unlink,
  write,
} from "@berth/host";
import type { LogTarget } from "./stdio-target.ts";

const EINVAL = 22;
const ENOSPC = 28;

/**
 * Opens the log for appending. A file that is no log, or whose last record is torn, becomes a rotated one: what is written
 * behind a torn record cannot be found again.
 */
export function openLog(target: LogTarget, last = 0): Fd {
  const { path } = target;
  const fd = openLogFile(path);
  try {
    const info = stat(path);
    if (info !== null && info.kind !== "file") throw new SystemError(EINVAL, "open a log that is no file", path);
    if (info?.size === 0) return begin(fd, target, last);
    const sequence = logSequence(fd);
    if (sequence > 0 && endsWhole(fd)) return fd;
    fd.close();
    makeRoom(target);
    return begin(openLogFile(path), target, Math.max(last, sequence));
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Opens the file that comes after one that is full. */
export function openNextLog(full: Fd, target: LogTarget): Fd {
  const name = `/proc/self/fd/${full.number}`;
  // Another writer, that of an exec say, may have made room already.
  if (stat(target.path)?.ino === stat(name)?.ino) makeRoom(target);
  return openLog(target, sequenceOf(name));
}

/**
 * Renames each file to the next number; the last one is replaced. May be repeated where it has failed half way: a number
 * that no file has is passed over.
 */
function makeRoom({ path, files }: LogTarget): void {
  if (files === 1) unlink(path, { force: true });
  const named = (index: number) => (index === 0 ? path : `${path}.${index}`);
  for (let index = files - 1; index > 0; index--) {
    try {
      rename(named(index - 1), named(index));
    } catch (error) {
      if (!isCode(error, "ENOENT")) throw error;
    }
  }
}

/** Writes the head of an empty file. Where that fails the file goes: with half a head it would be no log's. */
function begin(fd: Fd, target: LogTarget, last: number): Fd {
  let sequence = last;
  for (let index = 1; index < target.files; index++)
    sequence = Math.max(sequence, sequenceOf(`${target.path}.${index}`));
  const head = logHead(sequence + 1);
  try {
    if (write(fd, head) !== head.length) throw new SystemError(ENOSPC, "write", target.path);
    return fd;
  } catch (error) {
    fd.close();
    unlink(target.path, { force: true });
    throw error;
  }
}

/** 0: no such file, or no log's. */
function sequenceOf(path: string): number {
  try {
    using fd = open(path, O.RDONLY | O.NONBLOCK);
    return logSequence(fd);
  } catch (error) {
    if (isCode(error, "ENOENT", "EISDIR")) return 0;
    throw error;
  }
}
