// Directories of snapshots that were removed by hand. containerd refuses the same, in fewer words.
import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";

const image = "docker.io/library/busybox:latest";
const snapshotsOf = ({ root }: Supervisor) => join(root, "io.containerd.snapshotter.v1.overlayfs/snapshots");

const isRoot = process.getuid?.() === 0 ? false : "needs root";

function imported(daemon: Supervisor): Promise<string> {
  const path = join(daemon.dir, "image.tar");
  writeBusyboxImage(path, { format: "oci", name: image });
  return daemon.ctr("images", "import", path);
}

function removeDirectories(daemon: Supervisor): void {
  const directory = snapshotsOf(daemon);
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
}

for (const [title, start, skip] of [
  ["containerd", startContainerd, !hasContainerd()],
  ["berthd", startBerthd, false],
] as const)
  describe(`${title} without the directories of snapshots`, { skip: isRoot || skip }, () => {
    it("names the path, of kind unknown, and removes them", async () => {
      await using daemon = await start();
      await imported(daemon);
      await daemon.ctr("snapshots", "prepare", "own");
      const own = readdirSync(snapshotsOf(daemon)).at(-1) ?? "";
      removeDirectories(daemon);
      for (const command of [
        ["snapshots", "usage", "own"],
        ["snapshots", "commit", "name", "own"],
      ])
        await assert.rejects(
          daemon.ctr(...command),
          ({ stderr }: { stderr: string }) =>
            stderr.includes(`${snapshotsOf(daemon)}/${own}/fs`) && / unknown$|unknown\n$/.test(stderr),
        );
      await assert.rejects(daemon.ctr("run", "--rm", image, "refused", "true"), /snapshots\/1\/fs/);
      await daemon.ctr("snapshots", "rm", "own");
      assert.ok(!(await daemon.ctr("snapshots", "ls")).includes("own"));
    });
  });

describe("berth without the directories of snapshots", { skip: isRoot }, () => {
  it("says what to do, and runs again once that is done", async () => {
    await using berthd = await startBerthd();
    const berth = await berthAt(berthd.address);
    const path = join(berthd.dir, "image.tar");
    writeBusyboxImage(path, { format: "oci", name: image });
    assert.equal((await berth("image", "import", path)).code, 0);
    assert.equal((await berth("run", "--name", "made", "busybox", "true")).code, 0);
    removeDirectories(berthd);
    const refused = await berth("run", "--rm", "busybox", "true");
    const said =
      /^berth: directory .*snapshots\/1\/fs of snapshot "sha256:.*" is missing: make it again with berth image check --repair, or remove and import its image\n$/;
    assert.match(refused.stderr, said);
    const started = await berth("start", "made");
    assert.match(started.stderr, /^berth: (.*: )?directory .* of snapshot ".*" is missing: /);
    assert.equal((await berth("rm", "made")).code, 0);
    assert.equal((await berth("ps", "-aq")).stdout, "");
    assert.equal((await berth("image", "check", "--repair", "busybox")).code, 0);
    assert.deepEqual(await berth("run", "--rm", "busybox", "echo", "ran"), { code: 0, stdout: "ran\n", stderr: "" });
  });
});
