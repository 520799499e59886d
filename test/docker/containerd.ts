// A docker on a containerd of Debian's.
import { startContainerd } from "../support/containerd.ts";
import { startDockerd } from "./dockerd.ts";
import type { DockerUnderTest } from "./suite.ts";

/** `path` is where that containerd looks for shims. */
export async function dockerOnContainerd(path = process.env.PATH ?? ""): Promise<DockerUnderTest> {
  await using undo = new AsyncDisposableStack();
  const containerd = undo.use(await startContainerd({ env: { PATH: path } }));
  const dockerd = undo.use(await startDockerd({ containerd: containerd.address }));
  const owned = undo.move();
  return {
    docker: dockerd.docker,
    dir: dockerd.dir,
    cgroupParent: dockerd.cgroupParent,
    shims: containerd.dir,
    async killDaemons() {
      await Promise.all([dockerd.end(), containerd.end()]);
    },
    async restartDaemons() {
      await containerd.restart();
      await dockerd.restart();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
