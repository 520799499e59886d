// A state directory that is full: new tasks are refused by its name, those that are there can be listed, stopped and removed,
// and how they ended is known also after a restart.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { berthAt } from "../client/berth.ts";
import { berthdPath } from "../support/berthd.ts";
import { fillDisk } from "../support/fill-disk.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { startSupervisor } from "../support/supervisor.ts";
import { worldOf } from "../support/world.ts";

const namespace = `state${process.pid}`;
const image = "docker.io/library/busybox:latest";

it("a full state directory refuses new tasks, and keeps nobody from those that are there", async () => {
  const dir = mkdtempSync("/run/berth-state-");
  const [root, state] = [join(dir, "root"), join(dir, "state")];
  const address = join(dir, "b.sock");
  mkdirSync(state);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=0711", "tmpfs", state]);
  const command = [berthdPath, "--config", "/dev/null", "--root", root, "--state", state, "--address", address];
  await using daemon = await startSupervisor({ address, dir, root, state, env: {}, command });
  const berth = await berthAt(address, namespace);
  const must = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await berth(...args);
    assert.equal(code, 0, `berth ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const archive = join(dir, "image.tar");
  writeBusyboxImage(archive, { format: "oci", name: image });
  await must("image", "import", archive);
  for (const name of ["exits", "stops", "stays", "goes"])
    await must("run", "-d", "--name", name, image, "sh", "-c", 'trap "exit 7" TERM; while :; do sleep 0.05; done');
  fillDisk(join(state, "filler"));

  const before = await worldOf(daemon, namespace);
  const { code, stderr } = await berth("run", "-d", "--rm", "--name", "new", image, "true");
  assert.equal(code, 125);
  assert.match(stderr, /no space left on the disk of \/run\/berth-state-[^\n]*: free some and try again/);
  assert.deepEqual(await worldOf(daemon, namespace), before);

  await must("kill", "-s", "TERM", "exits");
  assert.equal((await must("wait", "exits")).trim(), "7");
  await must("stop", "stops");
  await must("rm", "-f", "goes");
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    fillDisk(join(state, "filler"));
    await daemon.end(signal);
    await daemon.restart();
    assert.deepEqual(await statuses(), { exits: "exited 7", stays: "running 0", stops: "exited 7" });
  }
  await must("rm", "-f", "exits", "stops", "stays");
  assert.deepEqual(await statuses(), {});

  rmSync(join(state, "filler"));
  assert.equal(await must("run", "--rm", image, "echo", "again"), "again\n");
  await daemon.end("SIGTERM");

  async function statuses(): Promise<Record<string, string>> {
    const lines = (await must("ps", "-a", "--json")).split("\n").filter((line) => line !== "");
    const entries = lines.map((line) => JSON.parse(line) as { id: string; status: string; exitStatus?: number });
    return Object.fromEntries(entries.map(({ id, status, exitStatus }) => [id, `${status} ${exitStatus ?? 0}`]));
  }
});
