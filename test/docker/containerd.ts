// A docker on a containerd of Debian's.
import { startContainerd } from "../support/containerd.ts";
import { startDockerd } from "./dockerd.ts";
import type { DockerUnderTest } from "./suite.ts";

export interface Options {
  /** Where that containerd looks for shims. Default: our own PATH. */
  readonly path?: string;
  readonly within?: readonly string[];
  /** Of dockerd. */
  readonly config?: object;
}

export async function dockerOnContainerd(options: Options = {}): Promise<DockerUnderTest> {
  const { path = process.env.PATH ?? "", within = [], config = {} } = options;
  await using undo = new AsyncDisposableStack();
  const containerd = undo.use(await startContainerd({ env: { PATH: path }, within }));
  const dockerd = undo.use(await startDockerd({ containerd: containerd.address, within, config }));
  const owned = undo.move();
  return {
    docker: dockerd.docker,
    log: dockerd.log,
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
