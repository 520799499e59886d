// Images that are odd but good: they run, stop and go, as under every other tool.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Blobs, chart, layout, named, OCI, signature } from "../../scripts/bench/image-archive.ts";
import { type Berth, berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { busyboxEntries, makeTar } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";

const NAME = "docker.io/library/odd:1";

describe("an odd image", { skip: process.getuid?.() === 0 ? false : "needs root" }, () => {
  let daemon: Supervisor;
  let berth: Berth;
  const rootfs = makeTar(busyboxEntries());

  before(async () => {
    daemon = await startBerthd();
    berth = await berthAt(daemon.address, `odd${process.pid}`);
  });
  after(async () => await daemon.stop());

  async function imported(archive: Uint8Array): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const path = join(daemon.dir, "odd.tar");
    writeFileSync(path, archive);
    return await berth("image", "import", path);
  }
  const withConfig = (config: object): Uint8Array => {
    const blobs = new Blobs();
    return layout(blobs, [named(blobs.image([rootfs], { config: { config } }))]);
  };

  it("with nulls and entries that name nothing in its environment runs", async () => {
    const config = { Cmd: ["env"], Env: ["", "=x", "ALONE", null, "GOOD=1"], Labels: null, Volumes: null, User: null };
    assert.equal((await imported(withConfig(config))).code, 0);
    const { code, stdout, stderr } = await berth("run", "--rm", NAME);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^GOOD=1$/m);
    assert.ok(!/ALONE|^=x/m.test(stdout), stdout);
  });

  it("with a stop signal that nobody knows runs with a warning, and stops", async () => {
    assert.equal((await imported(withConfig({ StopSignal: "SIGNONSENSE" }))).code, 0);
    const started = await berth(
      "run",
      "-d",
      "--name",
      "odd",
      NAME,
      "sh",
      "-c",
      "trap 'exit 7' TERM; while :; do sleep 0.1; done",
    );
    assert.equal(started.code, 0, started.stderr);
    assert.match(started.stderr, /stop signal "SIGNONSENSE" of the image is not known: SIGTERM is sent/);
    const stopped = await berth("stop", "odd");
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.equal((await berth("rm", "odd")).code, 0);
  });

  it("without layers runs what is not in it: 127, and leaves nothing", async () => {
    const blobs = new Blobs();
    assert.equal((await imported(layout(blobs, [named(blobs.image([]))]))).code, 0);
    const { code, stderr } = await berth("run", "--rm", NAME, "sh");
    assert.equal(code, 127, stderr);
    assert.equal((await berth("ps", "-aq")).stdout, "");
  });

  it("beside a chart that has a name: both have theirs, and the chart says that it is no image", async () => {
    const blobs = new Blobs();
    const index = [named(chart(blobs), "example.com/chart:1"), signature(blobs), named(blobs.image([rootfs]))];
    const { code, stdout, stderr } = await imported(layout(blobs, index));
    assert.equal(code, 0, stderr);
    assert.deepEqual(stdout.trim().split("\n").sort(), [NAME, "example.com/chart:1"]);
    const ran = await berth("run", "--rm", "example.com/chart:1", "sh");
    assert.notEqual(ran.code, 0);
    assert.match(ran.stderr, /is no image: it has a config of type "application\/vnd\.cncf\.helm\.config\.v1\+json"/);
  });

  it("in an index without platforms, behind a signature, is found", async () => {
    const blobs = new Blobs();
    const manifests = [signature(blobs), blobs.image([rootfs])];
    const index = blobs.add(OCI.index, { schemaVersion: 2, manifests });
    assert.equal((await imported(layout(blobs, [named(index)]))).code, 0);
    assert.equal((await berth("run", "--rm", NAME, "true")).code, 0);
  });
});
