import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { after, before, it } from "node:test";
import { type ContainerSummary, Engine } from "@berth/proto/berth/v1";
import type { OciSpec } from "../../engine/src/oci.ts";
import { LogWriter } from "../../engine/test/log-writer.ts";
import { type Harness, namespace, scope, startHarness } from "./harness.ts";

const options = { namespace };
let h: Harness;
before(async () => {
  h = await startHarness();
});
after(() => h[Symbol.asyncDispose]());

const engine = () => h.client(Engine);
const kindOf = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => "ok",
    (error: { kind?: string }) => error.kind,
  );
const specOf = (id: string): OciSpec =>
  JSON.parse(new TextDecoder().decode(h.store.containers.get(scope, id).spec?.value)) as OciSpec;
const leftovers = () => ({
  snapshots: h.store.snapshotter("native").list(scope, ["kind==active"]).length,
  leases: h.store.leases.list(namespace, []).length,
  containers: h.store.containers.list(scope, []).length,
});

it("makes a container from a short image name: snapshot, spec and record", async () => {
  const { id } = await engine().createContainer({ image: "tiny", args: ["x"], env: ["A=1"] }, options);
  assert.match(id, /^[0-9a-f]{12}$/);
  const record = h.store.containers.get(scope, id);
  assert.equal(record.image, "docker.io/library/tiny:latest");
  assert.equal(record.labels["io.containerd.image.config.stop-signal"], "SIGQUIT");
  assert.equal(record.labels["containerd.io/restart.status"], undefined);
  const spec = specOf(id);
  assert.deepEqual(spec.process.args, ["/entry", "x"]);
  assert.equal(spec.process.cwd, "/work");
  assert.ok(spec.process.env?.includes("FROM_IMAGE=1") && spec.process.env.includes("A=1"));
  assert.equal(spec.linux.cgroupsPath, `/${namespace}/${id}`);
  assert.equal(h.store.snapshotter("native").stat(scope, id).kind, "active");
  await engine().removeContainer({ id }, options);
  assert.deepEqual(leftovers(), { snapshots: 0, leases: 0, containers: 0 });
});

it("a creation that fails leaves nothing behind and loses nothing", async () => {
  await engine().createContainer({ id: "first", image: "tiny" }, options);
  const before = leftovers();
  const failures: [object, string][] = [
    [{ id: "first", image: "tiny" }, "already-exists"],
    [{ image: "absent" }, "not-found"],
    [{ id: "bad/id", image: "tiny" }, "invalid-argument"],
    [{ image: "tiny", user: "nobody-here" }, "invalid-argument"],
    [{ image: "tiny", snapshotter: "none" }, "invalid-argument"],
    [{ image: "tiny", runtime: "io.containerd.none.v1" }, "not-found"],
    [{ image: "tiny", capAdd: ["NOT_A_CAP"] }, "invalid-argument"],
    [{ image: "tiny", securityOpt: ["what"] }, "invalid-argument"],
    [{ image: "tiny", mounts: [{ source: "rel", destination: "/x" }] }, "invalid-argument"],
    [{ image: "tiny", env: ["=x"] }, "invalid-argument"],
    [{ image: "tiny", network: "bridge" }, "invalid-argument"],
    [{ image: "tiny", memoryLimit: 1024 }, "invalid-argument"],
  ];
  for (const [request, kind] of failures) {
    assert.equal(await kindOf(engine().createContainer(request, options)), kind, JSON.stringify(request));
    assert.deepEqual(leftovers(), before);
  }
  await engine().removeContainer({ id: "first" }, options);
});

it("names the user and the image where the user is not in it", async () => {
  await assert.rejects(engine().createContainer({ image: "tiny", user: "amelie" }, options), {
    message: /user "amelie" is not in \/etc\/passwd of image docker.io\/library\/tiny:latest/,
  });
});

it("a detached task's log is read from its start, its tail, and followed to the exit", async () => {
  await engine().createContainer({ id: "logged", image: "tiny" }, options);
  assert.equal(await kindOf(read({ id: "logged" })), "failed-precondition");
  await engine().createTask({ id: "logged", log: true }, options);
  const task = h.runtime.task(namespace, "logged");
  const { stdout, stderr } = task.created;
  assert.equal(stdout, stderr);
  assert.match(stdout, /^berth-log:\/\/\/.*\/test\/logged\/log\?max-size=10485760&max-file=3$/);
  const path = new URL(stdout).pathname;
  const writer = new LogWriter(dirname(path));
  writer.say("one\ntwo\nthree\n");
  assert.equal(await read({ id: "logged" }), "one\ntwo\nthree\n");
  assert.equal(await read({ id: "logged", tail: 2 }), "two\nthree\n");
  assert.equal(await read({ id: "logged", tail: 99 }), "one\ntwo\nthree\n");
  const logs = engine().readLogs({ id: "logged", follow: true, tail: 1 }, options)[Symbol.asyncIterator]();
  assert.equal(text(await logs.next()), "three\n");
  writer.rotate();
  writer.say("four\n", 2);
  assert.equal(text(await logs.next()), "four\n");
  writer.say("last");
  task.end(0);
  let rest = "";
  for (let next = await logs.next(); !next.done; next = await logs.next()) rest += text(next);
  assert.equal(rest, "last");
  await engine().removeContainer({ id: "logged" }, options);
  await assert.rejects(readdir(dirname(path)), { code: "ENOENT" });
});

it("keeps the limits of a log with the container, and refuses wrong ones", async () => {
  const logOptions = { "max-size": "65536", "max-file": "5" };
  await engine().createContainer({ id: "limited", image: "tiny", logOptions }, options);
  for (let start = 0; start < 2; start++) {
    await engine().createTask({ id: "limited", log: true }, options);
    const task = h.runtime.task(namespace, "limited");
    assert.match(task.created.stdout, /\?max-size=65536&max-file=5$/);
    task.end(0);
    await h.runtime.tasks.delete(namespace, "limited");
  }
  await engine().removeContainer({ id: "limited" }, options);
  const before = leftovers();
  for (const wrong of [{ "max-size": "10m" }, { "max-file": "none" }, { mode: "blocking" }])
    assert.equal(
      await kindOf(engine().createContainer({ image: "tiny", logOptions: wrong as never }, options)),
      "invalid-argument",
    );
  assert.deepEqual(leftovers(), before);
});

/** All containers, of all messages of a list. */
async function listed(filters: string[] = []): Promise<ContainerSummary[]> {
  const parts: ContainerSummary[][] = [];
  for await (const { containers } of engine().listContainers({ filters }, options)) parts.push(containers);
  return parts.flat();
}

it("refuses to remove what runs, and kills it where that is forced", async () => {
  await engine().createContainer({ id: "busy", image: "tiny" }, options);
  const { pid } = await engine().createTask({ id: "busy" }, options);
  assert.ok(pid > 0);
  await h.runtime.task(namespace, "busy").start("");
  assert.equal(await kindOf(engine().removeContainer({ id: "busy" }, options)), "failed-precondition");
  const [summary] = await listed();
  assert.deepEqual([summary?.id, summary?.status, summary?.args], ["busy", "running", ["/entry", "default"]]);
  await engine().removeContainer({ id: "busy", force: true }, options);
  assert.deepEqual(leftovers(), { snapshots: 0, leases: 0, containers: 0 });
});

it("stops with the image's signal, and with SIGKILL after the grace", async () => {
  await engine().createContainer({ id: "slow", image: "tiny" }, options);
  assert.equal(await kindOf(engine().stopContainer({ id: "slow" }, options)), "failed-precondition");
  await engine().createTask({ id: "slow" }, options);
  const task = h.runtime.task(namespace, "slow");
  await task.start("");
  const stopped = await engine().stopContainer({ id: "slow", graceMs: 30 }, options);
  assert.equal(stopped.exitStatus, 137);
  assert.deepEqual(task.signals, [3, 9]);
  assert.equal((await engine().stopContainer({ id: "slow" }, options)).exitStatus, 137);
  await engine().removeContainer({ id: "slow" }, options);
});

it("a container knows how it ended after its task has gone", async () => {
  await engine().createContainer({ id: "ended", image: "tiny" }, options);
  assert.equal(await kindOf(engine().waitContainer({ id: "ended" }, options)), "failed-precondition");
  assert.equal(await kindOf(engine().waitContainer({ id: "none" }, options)), "not-found");
  const exit = { pid: 7, status: 137, at: 1_700_000_000_000_000_000n, outOfMemory: true };
  h.store.exits.keep(scope, "ended", exit);
  const exitedAt = { seconds: 1_700_000_000, nanos: 0 };
  assert.deepEqual(await engine().waitContainer({ id: "ended" }, options), {
    exitStatus: 137,
    exitedAt,
    outOfMemory: true,
  });
  const [row] = await listed(["id==ended"]);
  assert.deepEqual([row?.status, row?.exitStatus, row?.exitedAt, row?.outOfMemory], ["stopped", 137, exitedAt, true]);
  const { json } = await engine().inspectContainer({ id: "ended" }, options);
  const { task } = JSON.parse(new TextDecoder().decode(json)) as { task: { status: string; outOfMemory: boolean } };
  assert.deepEqual([task.status, task.outOfMemory], ["exited", true]);
  h.store.exits.keep(scope, "ended", { ...exit, at: 0n });
  assert.equal((await engine().waitContainer({ id: "ended" }, options)).exitedAt, null);
  await engine().createTask({ id: "ended" }, options);
  const waiting = engine().waitContainer({ id: "ended" }, options);
  h.runtime.task(namespace, "ended").end(3);
  assert.equal((await waiting).exitStatus, 3);
  await engine().removeContainer({ id: "ended" }, options);
});

it("an exec is the container's process with other arguments", async () => {
  await engine().createContainer({ id: "host", image: "tiny", env: ["A=1"] }, options);
  assert.equal(await kindOf(engine().createExec({ id: "host", args: ["ls"] }, options)), "failed-precondition");
  await engine().createTask({ id: "host" }, options);
  const { execId } = await engine().createExec({ id: "host", args: ["ls"], env: ["B=2"], user: "5:6" }, options);
  assert.match(execId, /^[0-9a-f]{12}$/);
  const process = JSON.parse(h.runtime.task(namespace, "host").execs[0] ?? "") as OciSpec["process"];
  assert.deepEqual(process.args, ["ls"]);
  assert.deepEqual([process.user.uid, process.user.gid], [5, 6]);
  assert.ok(process.env?.includes("A=1") && process.env.includes("B=2"));
  const inspected = await engine().inspectContainer({ id: "host" }, options);
  const json = JSON.parse(new TextDecoder().decode(inspected.json)) as { id: string; task: { status: string } };
  assert.deepEqual([json.id, json.task.status], ["host", "created"]);
  await engine().removeContainer({ id: "host" }, options);
});

const text = (result: IteratorResult<{ data: Uint8Array }>) => new TextDecoder().decode(result.value.data);

async function read(request: object): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const { data } of engine().readLogs(request, options)) chunks.push(data);
  return Buffer.concat(chunks).toString();
}
