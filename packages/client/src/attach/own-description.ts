import { type Fd, O, open, stat } from "@berth/host";

/**
 * The same terminal or pipe opened once more. Non-blocking is a property of the open file, which the shell and
 * other programs share with us: set on theirs, it would outlive this program and make them fail with EAGAIN.
 * What cannot be opened again (sockets) or does not care (files) is returned as it is.
 */
export function ownDescription(fd: Fd, direction: typeof O.RDONLY | typeof O.WRONLY): Fd {
  const path = `/proc/self/fd/${fd.number}`;
  const kind = stat(path)?.kind;
  if (kind !== "char" && kind !== "fifo") return fd;
  try {
    return open(path, direction | O.NONBLOCK);
  } catch {
    return fd;
  }
}
