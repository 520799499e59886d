// What is asked of a container while its runtime is still creating it, and what the end of berthd in that moment leaves.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { type Berth, berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { worldOf } from "../support/world.ts";

const namespace = `creation${process.pid}`;
const image = "docker.io/library/busybox:latest";

let daemon: Supervisor;
let berth: Berth;
let clean: string[];

before(async () => {
  daemon = await startBerthd();
  berth = await berthAt(daemon.address, namespace);
  const archive = join(daemon.dir, "image.tar");
  writeBusyboxImage(archive, { format: "oci", name: image });
  await must("image", "import", archive);
  execFileSync("mkfifo", [join(daemon.dir, "reached")]);
  clean = await worldOf(daemon, namespace);
});
after(() => daemon[Symbol.asyncDispose]());
afterEach(async () => assert.deepEqual(await worldOf(daemon, namespace), clean));

async function must(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await berth(...args);
  assert.equal(code, 0, `berth ${args.join(" ")}: ${stderr}`);
  return stdout;
}
async function refused(text: RegExp, ...args: string[]): Promise<void> {
  const { code, stderr } = await berth(...args);
  assert.equal(code, 125, stderr);
  assert.match(stderr, text);
}

/** A runtime that says when it has come to this moment of a create, and never goes on. */
function stuckRuntime(moment: "before" | "after"): string {
  const path = join(daemon.dir, `stuck-${moment}`);
  const stuck = `echo reached > ${join(daemon.dir, "reached")}; exec sleep 100000`;
  const script = { before: stuck, after: `runc "$@"; ${stuck}` }[moment];
  writeFileSync(path, `#!/bin/sh\ncase " $* " in *" create "*) ${script};; esac\nexec runc "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}
/** Resolves when the runtime has come to its moment. */
async function reached(): Promise<void> {
  await using fifo = await open(join(daemon.dir, "reached"), "r");
  await fifo.readFile();
}
/** A detached run that does not come to its start, in the background. */
async function runStuck(moment: "before" | "after") {
  const run = berth("run", "-d", "--name", "slow", "--runtime-binary", stuckRuntime(moment), image, "sleep", "1000");
  await reached();
  return { run };
}

for (const moment of ["before", "after"] as const)
  describe(`a runtime that hangs ${moment} it has created`, () => {
    it("the name is taken, and a removal refused unless it is forced: that takes all back", async () => {
      const { run } = await runStuck(moment);
      await refused(/"slow": already exists/, "run", "-d", "--name", "slow", image, "true");
      await refused(/being made: wait for it, or force its removal/, "rm", "slow");
      await Promise.all([must("rm", "-f", "slow"), must("rm", "-f", "slow")]);
      const { code, stderr } = await run;
      assert.equal(code, 125);
      assert.match(stderr, /container "slow" was removed while it was being made/);
      assert.deepEqual(await worldOf(daemon, namespace), clean);
      // The name is free at once.
      assert.equal(await must("run", "--rm", "--name", "slow", image, "echo", "again"), "again\n");
    });

    for (const signal of ["SIGTERM", "SIGKILL"] as const)
      it(`${signal} of berthd: after the next start there is nothing of it`, async () => {
        const { child, ended } = berth.start(
          ...["run", "-d", "--name", "slow", "--runtime-binary", stuckRuntime(moment), image, "sleep", "1000"],
        );
        await reached();
        await daemon.end(signal);
        // A client that is still there would go on with it.
        child.kill("SIGKILL");
        await ended;
        await daemon.restart();
        await settled();
      });
  });

/** What a start finishes, it does in the background; a creation of the same name waits for it. */
async function settled(): Promise<void> {
  assert.equal(await must("run", "--rm", "--name", "slow", image, "echo", "settled"), "settled\n");
}

it("an image whose passwd is a fifo, or leads to a device, is refused by name", async () => {
  const cases = {
    fifo: { path: "etc/passwd", type: "fifo" },
    device: { path: "etc/passwd", type: "char", device: [1, 5] },
    link: { path: "etc/group", type: "symlink", link: "/dev/zero" },
  } as const;
  for (const [what, entry] of Object.entries(cases)) {
    const name = `docker.io/library/${what}:latest`;
    const archive = join(daemon.dir, `${what}.tar`);
    writeBusyboxImage(archive, { format: "oci", name, extraLayers: [[entry]] });
    await must("image", "import", archive);
    await refused(
      /\/etc\/(passwd|group) is (a fifo|a device|a link to \/dev\/zero), not a file/,
      "run",
      "-d",
      name,
      "true",
    );
    await daemon.ctr("-n", namespace, "images", "rm", "--sync", name);
  }
});

it("a run that berthd is ended in comes to its start, or leaves nothing", async () => {
  let started = 0;
  for (let ms = 0; ms < 200; ms += 20) {
    const run = berth("run", "-d", "--name", "slow", image, "sleep", "1000");
    // The point of the end is what varies here; nothing is waited for.
    await new Promise((done) => setTimeout(done, ms));
    await daemon.end("SIGTERM");
    await daemon.restart();
    const { code, stderr } = await run;
    const listed = await must("ps", "-a", "--json");
    if (code === 0) {
      started++;
      assert.match(listed, /"status":"running"/);
      await must("rm", "-f", "slow");
    } else assert.equal(listed.trim(), "", stderr);
  }
  assert.ok(started > 0);
});
