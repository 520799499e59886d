import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Status } from "@berth/proto/containerd/v1/types";
import { alive, openDaemon, reader, until } from "./harness.ts";

/** Signals that a process has handlers for: bit 14 is SIGTERM. */
const caught = (pid: number): bigint =>
  BigInt(`0x${/SigCgt:\s*(\w+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0"}`);

/** Of a process, in every hierarchy of version 1 that has controllers, or the only one of version 2. */
const cgroupDirectories = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/cgroup`, "utf8")
    .split("\n")
    .flatMap((line) => /^\d+:([^:=]+):(.*)$/.exec(line)?.slice(1, 3).join("") ?? [])
    .map((path) => join("/sys/fs/cgroup", path));

describe("a container's life", () => {
  it("goes from create to delete, told in order, and the shim ends when asked", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("a", { args: ["sh", "-c", "echo out; echo err >&2; exit 7"] });
    assert.equal(readFileSync(`${shim.bundle}/address`, "utf8"), shim.address);
    const [stdout, stderr] = [daemon.fifo("out"), daemon.fifo("err")];
    const [out, err] = [reader(stdout), reader(stderr)];
    const pid = await shim.create({ stdout, stderr });
    assert.ok(alive(pid));
    const { task, id } = shim;
    const created = await task.state({ id });
    assert.deepEqual([created.status, created.pid, created.bundle], [Status.CREATED, pid, shim.bundle]);
    const waiting = task.wait({ id });
    const before = Date.now();
    assert.equal((await task.start({ id })).pid, pid);
    const exit = await waiting;
    assert.equal(exit.exitStatus, 7);
    const exitedAt = (exit.exitedAt?.seconds ?? 0) * 1000 + (exit.exitedAt?.nanos ?? 0) / 1e6;
    // clock: the order of three readings
    assert.ok(before <= exitedAt && exitedAt <= Date.now() + 1, `${exitedAt}`);
    await until(() => out.ended() && err.ended());
    assert.deepEqual([out.text(), err.text()], ["out\n", "err\n"]);
    const stopped = await task.state({ id });
    assert.deepEqual([stopped.status, stopped.exitStatus], [Status.STOPPED, 7]);
    assert.equal(JSON.parse(readFileSync(`${shim.bundle}/exit.json`, "utf8")).status, 7);
    await assert.rejects(task.kill({ id, signal: 9 }), /process already finished: not found/);
    const deleted = await task.delete({ id });
    assert.deepEqual([deleted.exitStatus, deleted.pid], [7, pid]);
    await assert.rejects(task.state({ id }), /container not created: not found/);
    await assert.rejects(task.delete({ id }), /not found/);
    await task.shutdown({ id });
    await until(() => !alive(shim.pid));
    assert.ok(!existsSync(shim.address.slice("unix://".length)));
    assert.deepEqual(daemon.story(id), ["create", "start", "exit", "delete"]);
  });

  it("is never told to have ended before it has started, however short it is", async () => {
    await using daemon = await openDaemon();
    for (let i = 0; i < 5; i++) {
      const shim = await daemon.start(`s${i}`, { args: ["true"] });
      await shim.create();
      const { task, id } = shim;
      await task.start({ id });
      assert.equal((await task.wait({ id })).exitStatus, 0);
      await task.delete({ id });
      await daemon.event("/tasks/delete", (event) => event.containerId === id);
      assert.deepEqual(daemon.story(id), ["create", "start", "exit", "delete"]);
      await task.shutdown({ id });
    }
  });

  for (const [signal, status] of [
    [9, 137],
    [15, 143],
  ] as const)
    it(`ends with ${status} on signal ${signal}`, async () => {
      await using daemon = await openDaemon();
      const shim = await daemon.start("k", {
        args: ["sh", "-c", "trap 'exit 143' TERM; while :; do sleep 0.05; done"],
      });
      const pid = await shim.create();
      const { task, id } = shim;
      await task.start({ id });
      await assert.rejects(task.delete({ id }), /cannot delete a running process/);
      await assert.rejects(task.start({ id }), /cannot start a running process/);
      await assert.rejects(
        task.shutdown({ id }).then(() => task.state({ id: "other" })),
        /container not created/,
      );
      // The shell must have set its trap: a signal before that is ignored by an init.
      // And it must be the shell's: runc's init, which it was just now, catches every signal.
      await until(() => readFileSync(`/proc/${pid}/comm`, "utf8") === "sh\n" && (caught(pid) & 0x4000n) !== 0n);
      await task.kill({ id, signal });
      assert.equal((await task.wait({ id })).exitStatus, status);
      await task.delete({ id });
      await task.shutdown({ id });
    });

  it("goes with the cgroups that were made in its own", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("c", { args: ["sleep", "1000"] });
    const pid = await shim.create();
    const { task, id } = shim;
    await task.start({ id });
    const cgroups = cgroupDirectories(pid);
    assert.ok(cgroups.length > 0 && cgroups.every((path) => path.endsWith(`/${daemon.namespace}/${id}`)), `${cgroups}`);
    for (const path of cgroups) mkdirSync(join(path, "inner/most"), { recursive: true });
    await task.kill({ id, signal: 9 });
    await task.wait({ id });
    assert.equal((await task.delete({ id })).exitStatus, 137);
    assert.deepEqual(cgroups.filter(existsSync), []);
    assert.deepEqual(readdirSync(join(daemon.top, "runc", daemon.namespace)), []);
    await task.shutdown({ id });
  });

  it("is not started where it is killed before it comes to that, and says why", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("k", { args: ["true"] });
    const pid = await shim.create();
    const { task, id } = shim;
    process.kill(pid, "SIGSTOP");
    const starting = task.start({ id });
    const refused = assert.rejects(starting, /OCI runtime start failed: cannot start a container that has stopped/);
    // It is being started: another start waits for its turn.
    assert.equal((await task.state({ id })).status, Status.CREATED);
    process.kill(pid, "SIGKILL");
    await refused;
    assert.equal((await task.wait({ id })).exitStatus, 137);
    assert.equal((await task.delete({ id })).exitStatus, 137);
    await task.shutdown({ id });
  });

  it("may be deleted before it was started", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("n", { args: ["true"] });
    const pid = await shim.create();
    const deleted = await shim.task.delete({ id: "n" });
    assert.equal(deleted.pid, pid);
    assert.ok(!alive(pid));
    assert.deepEqual(daemon.story("n").at(-1), "delete");
    await shim.task.shutdown({ id: "n" });
  });

  it("names a command that does not exist, and leaves nothing of it", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("m", { args: ["nonsense"] });
    await assert.rejects(
      shim.create(),
      /^BerthError: OCI runtime create failed: .*exec: "nonsense": executable file not found in \$PATH: unknown$/,
    );
    await assert.rejects(shim.task.state({ id: "m" }), /container not created: not found/);
    await shim.task.shutdown({ id: "m" });
    await until(() => !alive(shim.pid));
  });

  it("names a runtime that does not exist", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("r", { args: ["true"] }, { runtime: "nonsense" });
    await assert.rejects(shim.create(), /exec: "nonsense": executable file not found in \$PATH/);
    await shim.task.shutdown({ id: "r" });
  });

  it("is kept open for every exec, whose exits come before its own", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("x", { args: ["sleep", "1000"] });
    await shim.create();
    const { task, id } = shim;
    await task.start({ id });
    const stdout = daemon.fifo("xo");
    const out = reader(stdout);
    await shim.exec("e1", ["sh", "-c", "echo hello; exit 3"], { stdout });
    assert.equal((await task.wait({ id, execId: "e1" })).exitStatus, 3);
    await until(() => out.text() === "hello\n");
    await assert.rejects(
      task.exec({ id, execId: "e1", spec: { typeUrl: "x", value: new Uint8Array(1) } }),
      /id e1: already exists/,
    );
    assert.equal((await task.delete({ id, execId: "e1" })).exitStatus, 3);
    await assert.rejects(task.state({ id, execId: "e1" }), /process does not exist e1: not found/);
    await shim.exec("e2", ["sleep", "1000"]);
    const { processes } = await task.pids({ id });
    assert.equal(processes.length, 2);
    assert.equal(processes.filter(({ info }) => info !== null).length, 1);
    await assert.rejects(
      shim.exec("e3", ["nonsense"]),
      /OCI runtime exec failed: .*executable file not found in \$PATH: unknown/,
    );
    await task.delete({ id, execId: "e3" });
    await task.kill({ id, signal: 9 });
    assert.equal((await task.wait({ id })).exitStatus, 137);
    await task.delete({ id });
    await daemon.event("/tasks/delete");
    assert.deepEqual(daemon.story(id), [
      "create",
      "start",
      "exec-added e1",
      "exec-started e1",
      "exit e1",
      "exec-added e2",
      "exec-started e2",
      "exec-added e3",
      "exit e2",
      "exit",
      "delete",
    ]);
    await task.shutdown({ id });
  });

  it("can be paused, resumed and measured", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("p", { args: ["sleep", "1000"], memoryLimit: 64 << 20 });
    await shim.create();
    const { task, id } = shim;
    await assert.rejects(task.pause({ id }), /cannot pause task in created state/);
    await task.start({ id });
    await task.pause({ id });
    assert.equal((await task.state({ id })).status, Status.PAUSED);
    await task.resume({ id });
    assert.equal((await task.state({ id })).status, Status.RUNNING);
    const resources = { memory: { limit: 128 << 20 } };
    await task.update({ id, resources: { typeUrl: "x", value: new TextEncoder().encode(JSON.stringify(resources)) } });
    const { stats } = await task.stats({ id });
    assert.match(stats?.typeUrl ?? "", /^io.containerd.cgroups.v[12].Metrics$/);
    await task.kill({ id, signal: 9 });
    await task.wait({ id });
    await task.delete({ id });
    await task.shutdown({ id });
  });
});
