import { native } from "berth:native";
import { EAGAIN, EBUSY, EPERM } from "./errno.ts";
import { Fd } from "./fd.ts";
import { check } from "./system-error.ts";

/** open(2)'s flags. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: native.O_CREAT,
  EXCL: native.O_EXCL,
  TRUNC: native.O_TRUNC,
  APPEND: native.O_APPEND,
  NONBLOCK: native.O_NONBLOCK,
  DIRECTORY: native.O_DIRECTORY,
  NOFOLLOW: native.O_NOFOLLOW,
  CLOEXEC: native.O_CLOEXEC,
  PATH: native.O_PATH,
} as const;

/** Opens a file, always close-on-exec. `mode` (default 0o666, under the umask) is for a file that is created. */
export const open = (path: string, flags: number, mode = 0o666): Fd =>
  new Fd(check(native.open(path, flags | O.CLOEXEC, mode), "open", path), path);

/** At most `max` bytes (and at most 64 KiB). null: nothing there yet (non-blocking); empty: the end. */
export function read(fd: Fd, max: number): Uint8Array | null {
  const result = native.read(fd.number, max);
  return result === -EAGAIN ? null : check(result, "read", fd.what);
}

/** How many bytes were taken; -1: none, the descriptor is full (non-blocking). */
export function write(fd: Fd, bytes: Uint8Array): number {
  const result = native.write(fd.number, bytes);
  return result === -EAGAIN ? -1 : check(result, "write", fd.what);
}

/** A pipe, close-on-exec on both ends. With `nonblock` both ends are non-blocking. */
export function pipe(options: { nonblock?: boolean } = {}): { read: Fd; write: Fd } {
  const [source, target] = check(native.pipe(options.nonblock ?? false), "pipe2", "");
  return { read: new Fd(source, "pipe"), write: new Fd(target, "pipe") };
}

/**
 * Makes a pipe or a FIFO hold so many bytes before its writers wait (64 KiB otherwise): fewer wake-ups for more memory,
 * and only while it is full. Does nothing where the user's limits forbid it (pipe(7)).
 */
export function enlargePipe(fd: Fd, bytes: number): void {
  const result = native.setPipeSize(fd.number, bytes);
  if (result !== -EPERM && result !== -EBUSY) check(result, "fcntl", fd.what);
}

/** How many bytes lie in a pipe, a FIFO or a terminal (FIONREAD). */
export const bytesWaiting = (fd: Fd): number => check(native.waiting(fd.number), "ioctl", fd.what);

/** A counter that others add to, the kernel for one (eventfd(2)): readable once it is not 0, and 0 again when read. */
export const eventCounter = (): Fd => new Fd(check(native.eventCounter(), "eventfd", ""), "eventfd");

export function fsync(fd: Fd): void {
  check(native.fsync(fd.number), "fsync", fd.what);
}

export function fchown(fd: Fd, uid: number, gid: number): void {
  check(native.fchown(fd.number, uid, gid), "fchown", fd.what);
}

/** The descriptor's reads and writes answer "would block" instead of waiting, for everyone who shares the open file. */
export function setNonblocking(fd: Fd): void {
  check(native.setNonblocking(fd.number), "fcntl", fd.what);
}
