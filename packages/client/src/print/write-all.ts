import { type Fd, watch, write } from "@berth/host";

/** Writes all bytes, waiting while the other side does not read. Throws SystemError. */
export async function writeAll(fd: Fd, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) {
    const count = write(fd, rest);
    if (count < 0) await writable(fd);
    else rest = rest.subarray(count);
  }
}

function writable(fd: Fd): Promise<void> {
  return new Promise((resolve) => {
    const ready = watch(fd, { writable: true }, () => {
      ready.close();
      resolve();
    });
  });
}
