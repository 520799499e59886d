import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { BootstrapParams, BootstrapResult } from "@berth/proto/containerd/runtime/bootstrap/v1";
import { RuntimeInfo } from "@berth/proto/containerd/types";
import { mountsBelow } from "../support/leftovers.ts";
import { alive, openDaemon, shimBinary, until } from "./harness.ts";

describe("a shim whose daemon is away, or that is gone itself", () => {
  it("reports the exit that happened meanwhile, once the daemon is back", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("a", { args: ["sleep", "1000"] });
    const pid = await shim.create();
    await shim.task.start({ id: "a" });
    await daemon.event("/tasks/start");
    shim.disconnect();
    await daemon.leave();
    process.kill(pid, "SIGKILL");
    await until(() => existsSync(`${shim.bundle}/exit.json`));
    assert.deepEqual(daemon.story("a"), ["create", "start"]);
    await daemon.comeBack();
    const { event } = await daemon.event("/tasks/exit");
    assert.equal(event.exitStatus, 137);
    const back = await daemon.connect("a", shim.bundle, shim.address);
    assert.equal((await back.task.state({ id: "a" })).exitStatus, 137);
    await back.task.delete({ id: "a" });
    await back.task.shutdown({ id: "a" });
    await until(() => !alive(shim.pid));
    assert.deepEqual(daemon.story("a"), ["create", "start", "exit", "delete"]);
  });

  it("leaves an exit record that its delete command reports", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("d", { args: ["sh", "-c", "exit 7"] });
    const pid = await shim.create();
    await shim.task.start({ id: "d" });
    const { exitedAt } = await shim.task.wait({ id: "d" });
    process.kill(shim.pid, "SIGKILL");
    const deleted = shim.deleteCommand();
    assert.deepEqual([deleted.exitStatus, deleted.pid], [7, pid]);
    assert.deepEqual(deleted.exitedAt, exitedAt);
    assert.deepEqual(mountsBelow(shim.bundle), []);
  });

  it("is cleaned up with its running container, which then counts as killed", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("r", { args: ["sleep", "1000"] });
    const pid = await shim.create();
    await shim.task.start({ id: "r" });
    process.kill(shim.pid, "SIGKILL");
    assert.ok(alive(pid));
    const deleted = shim.deleteCommand();
    assert.deepEqual([deleted.exitStatus, deleted.pid], [137, pid]);
    await until(() => !alive(pid));
    assert.deepEqual(mountsBelow(shim.bundle), []);
    // Once more finds nothing to do.
    assert.equal(shim.deleteCommand().exitStatus, 137);
  });

  it("ends on SIGTERM and leaves its container running", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("t", { args: ["sleep", "1000"] });
    const pid = await shim.create();
    await shim.task.start({ id: "t" });
    process.kill(shim.pid, "SIGTERM");
    await until(() => !alive(shim.pid));
    assert.ok(alive(pid));
    assert.ok(!existsSync(shim.address.slice("unix://".length)));
    shim.deleteCommand();
    await until(() => !alive(pid));
  });

  it("kills the rest of a container that shares the host's pids when init ends", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("h", { args: ["sh", "-c", "sleep 1000 & echo; exit 2"], privatePids: false });
    await shim.create();
    const { task, id } = shim;
    await task.start({ id });
    assert.equal((await task.wait({ id })).exitStatus, 2);
    await until(() => readdirSync("/proc").every((name) => !isIn(name, `${daemon.namespace}/h`)));
    await task.delete({ id });
    await task.shutdown({ id });
  });
});

const isIn = (pid: string, cgroup: string): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(cgroup) && alive(Number(pid));
  } catch {
    return false;
  }
};

describe("the start command", () => {
  it("gives containers of one group one shim", async () => {
    await using daemon = await openDaemon();
    const annotations = { "io.containerd.runc.v2.group": "g" };
    const one = await daemon.start("g1", { args: ["sleep", "1000"], annotations });
    const two = await daemon.start("g2", { args: ["sh", "-c", "exit 5"], annotations });
    assert.equal(two.address, one.address);
    assert.equal(two.pid, one.pid);
    await one.create();
    await two.create();
    await one.task.start({ id: "g1" });
    await two.task.start({ id: "g2" });
    assert.equal((await two.task.wait({ id: "g2" })).exitStatus, 5);
    await two.task.delete({ id: "g2" });
    await two.task.shutdown({ id: "g2" });
    assert.equal((await one.task.state({ id: "g1" })).pid > 0, true);
    await one.task.kill({ id: "g1", signal: 9 });
    await one.task.wait({ id: "g1" });
    await one.task.delete({ id: "g1" });
    await one.task.shutdown({ id: "g1" });
    await until(() => !alive(one.pid));
  });

  it("takes the place of a shim that was killed", async () => {
    await using daemon = await openDaemon();
    const dead = await daemon.start("z", { args: ["true"] });
    process.kill(dead.pid, "SIGKILL");
    await until(() => !alive(dead.pid));
    const fresh = await daemon.start("z", { args: ["true"] });
    assert.equal(fresh.address, dead.address);
    await fresh.task.shutdown({ id: "z" });
  });

  it("answers containerd 2.3 in its own format", async () => {
    await using daemon = await openDaemon();
    const probe = await daemon.start("b0", { args: ["true"] });
    const env = { ...process.env, BERTH_SHIM_SOCKET_DIR: `${daemon.top}/s` };
    const args = ["-namespace", daemon.namespace, "-address", "/x", "-id", "b0", "start"];
    const input = BootstrapParams.encode({
      instanceId: "b0",
      namespace: daemon.namespace,
      containerdTtrpcAddress: "/nowhere",
    });
    const result = spawnSync(shimBinary, args, { cwd: probe.bundle, env, input });
    assert.equal(result.status, 0, result.stderr.toString());
    const reply = BootstrapResult.decode(result.stdout);
    assert.deepEqual([reply.version, reply.protocol], [3, "ttrpc"]);
    const other = await daemon.connect("b0", probe.bundle, reply.address);
    await other.task.shutdown({ id: "b0" });
    await probe.task.shutdown({ id: "b0" });
  });

  it("says in one sentence what is wrong with its arguments", async () => {
    for (const [args, text] of [
      [["start"], "without -id"],
      [["-id", "x", "start"], "without -namespace"],
      [["-nope"], "flag provided but not defined: -nope"],
      [["-id", "x", "-namespace", "y", "frobnicate"], 'unknown command "frobnicate"'],
    ] as const) {
      const result = spawnSync(shimBinary, args, { cwd: "/tmp", input: "" });
      assert.equal(result.status, text.startsWith("flag") ? 2 : 1);
      assert.ok(result.stderr.toString().includes(text), result.stderr.toString());
      assert.equal(result.stderr.toString().trim().split("\n").length, 1);
    }
  });

  it("tells its version and what its runtime can do", () => {
    assert.match(spawnSync(shimBinary, ["-v"]).stdout.toString(), /^containerd-shim-berth-v2:\n {2}Version: {2}\d/);
    const info = spawnSync(shimBinary, ["-info"], { input: "" });
    assert.equal(info.status, 0);
    const { name, features } = RuntimeInfo.decode(info.stdout);
    assert.equal(name, "io.containerd.berth.v2");
    assert.ok(JSON.parse(new TextDecoder().decode(features?.value)).hooks);
  });
});

describe("a shim's socket", () => {
  it("survives garbage", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("j", { args: ["true"] });
    for (const bytes of [Buffer.alloc(64, 0xff), Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.alloc(4096)]) {
      const socket = connect(shim.address.slice("unix://".length));
      socket.on("error", () => {});
      const closed = new Promise((done) => socket.once("close", done));
      socket.resume().end(bytes);
      await closed;
    }
    assert.equal((await shim.task.connect({ id: "j" })).shimPid, shim.pid);
    await shim.task.shutdown({ id: "j" });
  });
});
