// A cgroup belongs to one container, whoever names it: the default path, a client's spec, another daemon.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, it } from "node:test";
import { type Berth, berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { bundlesBelow } from "../support/leftovers.ts";
import type { Supervisor } from "../support/supervisor.ts";

const image = "docker.io/library/busybox:latest";
const namespace = `cgroups-test-${process.pid}`;
let first: Supervisor;
let second: Supervisor;
let berth: Berth;
let other: Berth;
let folder: string;

before(async () => {
  folder = mkdtempSync("/tmp/berth-cgroups-test.");
  const archive = join(folder, "busybox.tar");
  writeBusyboxImage(archive, { format: "oci", name: image });
  [first, second] = await Promise.all([startBerthd(), startBerthd()]);
  berth = await berthAt(first.address, namespace);
  other = await berthAt(second.address, namespace);
  for (const client of [berth, other]) assert.equal((await client("image", "import", archive)).code, 0);
});
after(async () => {
  await first?.stop();
  await second?.stop();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(async () => {
  for (const client of [berth, other]) {
    const ids = (await client("ps", "-aq")).stdout.trim();
    if (ids !== "") await client("rm", "-f", ...ids.split("\n"));
  }
});

const start = async (client: Berth, name: string) => {
  const { code, stderr } = await client("run", "-d", "--name", name, "busybox", "sleep", "1000");
  assert.equal(code, 0, stderr);
};
const isRunning = async (client: Berth, name: string) =>
  assert.equal((await client("exec", name, "echo", "here")).stdout, "here\n");
/** What `ctr run` with a cgroup of its choice says; null where it ran. */
const refusal = (cgroup: string, id: string) =>
  first.ctr("-n", namespace, "run", "-d", "--cgroup", cgroup, image, id, "sleep", "1000").then(
    () => null,
    (error: Error) => error.message,
  );

it("another container's is refused by its name, and that one goes on", async () => {
  await start(berth, "holder");
  const path = `/${namespace}/holder`;
  for (const spelled of [path, `${path}/`, `//${namespace}/./holder`]) {
    const said = await refusal(spelled, "guest");
    assert.match(said ?? "", new RegExp(`cgroup ${path} of container "guest" is in use by container "holder"`));
    await berth("rm", "-f", "guest");
  }
  assert.deepEqual(bundlesBelow(first.state), [`${namespace}/holder`]);
  await isRunning(berth, "holder");
  // Once it has gone, the path is free.
  await berth("rm", "-f", "holder");
  assert.equal(await refusal(path, "guest"), null);
});

it("one above another container's is refused, one beside it is not", async () => {
  await start(berth, "below");
  assert.match(
    (await refusal(`/${namespace}`, "above")) ?? "",
    /cgroup \/\S+ of container "above" is in use by process \d+/,
  );
  assert.match((await refusal("/", "top")) ?? "", /its cgroup is the root of all/);
  assert.equal(await refusal(`/${namespace}/beside`, "beside"), null);
  await isRunning(berth, "below");
});

it("the one of a container of another daemon is refused until that has gone", async () => {
  await start(berth, "same");
  const { code, stderr } = await other("run", "-d", "--name", "same", "busybox", "sleep", "1000");
  assert.deepEqual([code, /cgroup \S+ of container "same" is in use by process \d+/.test(stderr)], [125, true], stderr);
  await other("rm", "-f", "same");
  await isRunning(berth, "same");
  await berth("rm", "-f", "same");
  await start(other, "same");
});

it("of two that are made at once, one is", async () => {
  const path = `/${namespace}/raced`;
  const said = await Promise.all(["one", "two"].map((id) => refusal(path, id)));
  assert.equal(said.filter((each) => each === null).length, 1, JSON.stringify(said));
});

it("is the container's own again after it was stopped, killed, or left by a berthd that was killed", async () => {
  await start(berth, "again");
  assert.equal((await berth("stop", "-t", "1", "again")).code, 0);
  assert.equal((await berth("start", "again")).code, 0);
  await first.end("SIGKILL");
  await first.restart();
  await isRunning(berth, "again");
  assert.match((await refusal(`/${namespace}/again`, "late")) ?? "", /in use by container "again"/);
  assert.equal((await berth("kill", "-s", "KILL", "again")).code, 0);
  assert.equal((await berth("wait", "again")).stdout, "137\n");
  assert.equal((await berth("start", "again")).code, 0);
  await isRunning(berth, "again");
});
