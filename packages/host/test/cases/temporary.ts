import { hex, mkdir, randomBytes, removeTree } from "@berth/host";

/** A fresh directory, removed with everything in it on dispose. */
export function temporary(): Disposable & { path: string } {
  const path = `/tmp/berth-host-${hex(randomBytes(6))}`;
  mkdir(path, 0o700);
  return { path, [Symbol.dispose]: () => removeTree(path) };
}
