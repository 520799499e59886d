import { type Fd, watch } from "@berth/host";

/** Resolves once there is something to read, or the end. */
export function readable(fd: Fd): Promise<void> {
  return new Promise((resolve) => {
    const ready = watch(fd, { readable: true }, () => {
      ready.close();
      resolve();
    });
  });
}
