// Debian's docker on berthd: on one that runs already, and on one that dockerd starts itself, as it starts
// the `containerd` that it finds on PATH.
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { setImmediate } from "node:timers/promises";
import { berthdPath, startBerthd } from "../support/berthd.ts";
import { startDockerd } from "./dockerd.ts";
import { type DockerUnderTest, dockerSuite } from "./suite.ts";

dockerSuite("berthd", async (): Promise<DockerUnderTest> => {
  await using undo = new AsyncDisposableStack();
  const berthd = undo.use(await startBerthd());
  const dockerd = undo.use(await startDockerd({ containerd: berthd.address }));
  const owned = undo.move();
  return {
    docker: dockerd.docker,
    log: dockerd.log,
    dir: dockerd.dir,
    cgroupParent: dockerd.cgroupParent,
    shims: berthd.dir,
    async killDaemons() {
      await Promise.all([dockerd.end(), berthd.end()]);
    },
    async restartDaemons() {
      await berthd.restart();
      await dockerd.restart();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
});

describe("berthd by the name of containerd", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync("/run/berth-path-");
    symlinkSync(berthdPath, join(directory, "containerd"));
  });
  after(() => rmSync(directory, { recursive: true }));

  dockerSuite(
    "a berthd that dockerd starts",
    async () => {
      const PATH = `${directory}:${process.env.PATH}`;
      const dockerd = await startDockerd({ containerd: null, env: { PATH } });
      return {
        docker: dockerd.docker,
        log: dockerd.log,
        dir: dockerd.dir,
        cgroupParent: dockerd.cgroupParent,
        shims: dockerd.dir,
        async killDaemons() {
          const pid = Number(readFileSync(join(dockerd.dir, "exec/containerd/containerd.pid"), "utf8"));
          await dockerd.end();
          process.kill(pid, "SIGKILL");
          // A dockerd that finds it alive would not start another.
          while (existsSync(`/proc/${pid}`)) await setImmediate();
        },
        restartDaemons: () => dockerd.restart(),
        [Symbol.asyncDispose]: () => dockerd[Symbol.asyncDispose](),
      };
    },
    { brief: true },
  );
});
