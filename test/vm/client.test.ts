// The limits that people type, as the kernel has them on cgroup v2.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Berth, berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { cgroupOf, onlyInVm, read } from "./in-vm.ts";

const image = "docker.io/library/busybox:latest";

describe("berth on cgroup v2", onlyInVm, () => {
  let daemon: Supervisor;
  let berth: Berth;
  before(async () => {
    daemon = await startBerthd();
    berth = await berthAt(daemon.address);
    const archive = join(daemon.dir, "image.tar");
    await writeBusyboxImage(archive, { format: "oci", name: image });
    const { code, stderr } = await berth("image", "import", archive);
    assert.equal(code, 0, stderr);
  });
  after(() => daemon.stop());

  for (const runtime of ["runc", "crun"])
    it(`run --memory --cpus --pids-limit, with ${runtime}`, async () => {
      const limits = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "17", "--runtime-binary", runtime];
      const { code, stderr } = await berth("run", "-d", "--name", runtime, ...limits, image, "sleep", "1000");
      assert.equal(code, 0, stderr);
      const inspected = await berth("inspect", runtime);
      const cgroup = cgroupOf(JSON.parse(inspected.stdout)[0].task.pid);
      assert.deepEqual(
        ["memory.max", "cpu.max", "pids.max"].map((name) => read(cgroup, name)),
        [String(64 << 20), "50000 100000", "17"],
      );
      assert.equal((await berth("rm", "-f", runtime)).code, 0);
    });

  it("run --memory ends with 137 where it is too little", async () => {
    assert.equal((await berth("run", "--rm", "--memory", "16m", image, "tail", "/dev/zero")).code, 137);
  });

  it("run --pids-limit refuses the process that is one too many", async () => {
    const script = "i=0; while [ $i -lt 9 ]; do sleep 1000 & i=$((i+1)); done; echo all";
    const { stdout, stderr } = await berth("run", "--rm", "--pids-limit", "5", image, "sh", "-c", script);
    assert.doesNotMatch(stdout, /all/);
    assert.match(stderr, /can't fork/);
  });
});
