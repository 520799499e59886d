// The sandbox API: a shim as the keeper of a pod, with containers and without.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { kindOf } from "@berth/base";
import { Kind, message } from "@berth/proto";
import { Sandbox } from "@berth/proto/containerd/runtime/sandbox/v1";
import { Metrics } from "@berth/proto/io/containerd/cgroups/v1";
import type { Client } from "@berth/rpc";
import { nodeByteStream } from "@berth/transport";
import { createClient } from "@berth/ttrpc";
import { makeBundle, ociSpec } from "../support/bundle.ts";
import { alive, type Daemon, openDaemon, type Shim, until } from "./harness.ts";

interface Pod extends Disposable {
  readonly sandbox: Client<typeof Sandbox>;
  readonly shim: Shim;
  readonly id: string;
}

/** The shim of a pod, as a daemon of generation 2 starts it: with a bundle, but with nothing to run. */
async function openPod(daemon: Daemon, id: string): Promise<Pod> {
  const annotations = { "io.kubernetes.cri.sandbox-id": id };
  const shim = await daemon.start(id, { args: [], annotations });
  const socket = connect(shim.address.slice("unix://".length));
  const sandbox = createClient(nodeByteStream(socket)).service(Sandbox);
  return { sandbox, shim, id, [Symbol.dispose]: () => socket.destroy() };
}

const namespaceOf = (pid: number, kind: string): string => readlinkSync(`/proc/${pid}/ns/${kind}`);
const refused = (kind: string) => (error: unknown) => kindOf(error) === kind;

/** Of the CRI, as far as it is looked at. */
const namespaces = message("runtime.v1.NamespaceOption", ["pid", 2, Kind.int32, null, "ipc", 3, Kind.int32, null]);
const security = message("runtime.v1.LinuxSandboxSecurityContext", ["namespaces", 1, Kind.message, namespaces]);
const linux = message("runtime.v1.LinuxPodSandboxConfig", [
  ...["cgroupParent", 1, Kind.string, null],
  ...["security", 2, Kind.message, security],
]);
const podConfig = message("runtime.v1.PodSandboxConfig", [
  ...["hostname", 2, Kind.string, null],
  ...["linux", 8, Kind.message, linux],
]);
const podOptions = (config: object) => ({ typeUrl: podConfig.typeName, value: podConfig.encode(config) });

describe("a sandbox", () => {
  it("goes through its life, and keeps its shim as long", async () => {
    await using daemon = await openDaemon();
    using pod = await openPod(daemon, "pod");
    const { sandbox, shim } = pod;
    const it = { sandboxId: "pod" };
    await assert.rejects(sandbox.pingSandbox(it), refused("not-found"));
    await sandbox.createSandbox({ ...it, bundlePath: shim.bundle });
    await assert.rejects(sandbox.createSandbox({ ...it, bundlePath: shim.bundle }), refused("already-exists"));
    await assert.rejects(
      sandbox.createSandbox({ sandboxId: "other", bundlePath: shim.bundle }),
      refused("failed-precondition"),
    );
    assert.equal((await sandbox.sandboxStatus(it)).state, "SANDBOX_NOTREADY");
    const { pid } = await sandbox.startSandbox(it);
    assert.ok(alive(pid) && pid !== shim.pid);
    await assert.rejects(sandbox.startSandbox(it), refused("failed-precondition"));
    const status = await sandbox.sandboxStatus({ ...it, verbose: true });
    assert.deepEqual([status.state, status.pid, status.info.phase], ["SANDBOX_READY", pid, "ready"]);
    const { platform } = await sandbox.platform(it);
    assert.equal(platform?.os, "linux");
    assert.equal(platform?.architecture, process.arch === "x64" ? "amd64" : process.arch);
    await sandbox.pingSandbox(it);
    // A daemon that has no more tasks says so; the pod stays.
    await shim.task.shutdown({ id: "pod" });
    const waiting = sandbox.waitSandbox(it);
    await sandbox.stopSandbox(it);
    assert.equal((await waiting).exitStatus, 0);
    assert.ok(!alive(pid));
    assert.ok(((await sandbox.sandboxStatus(it)).exitedAt?.seconds ?? 0) > 0);
    await sandbox.stopSandbox(it);
    assert.ok(alive(shim.pid));
    await sandbox.shutdownSandbox(it);
    await until(() => !alive(shim.pid));
    assert.ok(!existsSync(shim.address.slice("unix://".length)));
  });

  it("has namespaces of its own, and shares those of the host that it is asked to", async () => {
    await using daemon = await openDaemon();
    const network = `berth-${process.pid}`;
    assert.equal(spawnSync("ip", ["netns", "add", network]).status, 0);
    try {
      using pod = await openPod(daemon, "own");
      const netnsPath = `/run/netns/${network}`;
      const options = podOptions({ hostname: "a-pod", linux: { security: { namespaces: {} } } });
      await pod.sandbox.createSandbox({ sandboxId: "own", bundlePath: pod.shim.bundle, netnsPath, options });
      const { pid } = await pod.sandbox.startSandbox({ sandboxId: "own" });
      for (const kind of ["ipc", "uts", "pid", "net"])
        assert.notEqual(namespaceOf(pid, kind), namespaceOf(process.pid, kind), kind);
      const name = spawnSync("nsenter", ["-t", String(pid), "-u", "hostname"], { encoding: "utf8" });
      assert.equal(name.stdout.trim(), "a-pod");
      assert.equal(readFileSync(`/proc/${pid}/comm`, "utf8"), "berth-pod\n");
      await pod.sandbox.shutdownSandbox({ sandboxId: "own" });

      using shared = await openPod(daemon, "shared");
      const host = podOptions({ hostname: "ignored", linux: { security: { namespaces: { pid: 2, ipc: 2 } } } });
      await shared.sandbox.createSandbox({ sandboxId: "shared", bundlePath: shared.shim.bundle, options: host });
      const holder = await shared.sandbox.startSandbox({ sandboxId: "shared" });
      for (const kind of ["ipc", "uts", "pid", "net"])
        assert.equal(namespaceOf(holder.pid, kind), namespaceOf(process.pid, kind), kind);
      await shared.sandbox.shutdownSandbox({ sandboxId: "shared" });
    } finally {
      spawnSync("ip", ["netns", "delete", network]);
    }
  });

  it("says why it cannot be started, and can be tried again", async () => {
    await using daemon = await openDaemon();
    using pod = await openPod(daemon, "bad");
    const { sandbox, shim } = pod;
    const netnsPath = join(daemon.top, "network");
    await sandbox.createSandbox({ sandboxId: "bad", bundlePath: shim.bundle, netnsPath });
    await assert.rejects(
      sandbox.startSandbox({ sandboxId: "bad" }),
      /failed to make the namespaces of the sandbox: open .*network.*no such file/,
    );
    writeFileSync(netnsPath, "");
    await assert.rejects(
      sandbox.startSandbox({ sandboxId: "bad" }),
      /failed to make the namespaces of the sandbox: setns/,
    );
    rmSync(netnsPath);
    await sandbox.shutdownSandbox({ sandboxId: "bad" });
    await until(() => !alive(shim.pid));
  });

  it("has containers that live in it and end with it", async () => {
    await using daemon = await openDaemon();
    using pod = await openPod(daemon, "full");
    const { sandbox, shim } = pod;
    await sandbox.createSandbox({ sandboxId: "full", bundlePath: shim.bundle });
    const { pid } = await sandbox.startSandbox({ sandboxId: "full" });
    // Its tasks come without a start of their own: version 3 of the protocol.
    const cgroupsPath = `/${daemon.namespace}/c1`;
    const spec = ociSpec({ args: ["sleep", "1000"], cgroupsPath }) as {
      linux: { namespaces: object[] };
      hostname: string;
    };
    spec.hostname = "";
    spec.linux.namespaces = [
      { type: "mount" },
      ...["ipc", "pid"].map((type) => ({ type, path: `/proc/${pid}/ns/${type}` })),
    ];
    const bundle = makeBundle(join(daemon.top, "t", daemon.namespace, "c1"), spec);
    const options = { typeUrl: "", value: new Uint8Array(0) };
    const made = await shim.task.create({ id: "c1", bundle, rootfs: [daemon.rootfsMount()], options });
    await shim.task.start({ id: "c1" });
    assert.equal(namespaceOf(made.pid, "pid"), namespaceOf(pid, "pid"));
    const info = (await sandbox.sandboxStatus({ sandboxId: "full", verbose: true })).info;
    assert.equal(info.containers, "c1");
    await sandbox.stopSandbox({ sandboxId: "full", timeoutSecs: 5 });
    assert.ok(!alive(made.pid) && !alive(pid));
    assert.equal((await shim.task.wait({ id: "c1" })).exitStatus, 137);
    await sandbox.shutdownSandbox({ sandboxId: "full" });
    assert.ok(alive(shim.pid), "a container is still to be deleted");
    await shim.task.delete({ id: "c1" });
    await shim.task.shutdown({ id: "c1" });
    await until(() => !alive(shim.pid));
  });

  it("ends where the process that keeps its namespaces ends, and with its shim", async () => {
    await using daemon = await openDaemon();
    using pod = await openPod(daemon, "kill");
    const { sandbox, shim } = pod;
    await sandbox.createSandbox({ sandboxId: "kill", bundlePath: shim.bundle });
    const { pid } = await sandbox.startSandbox({ sandboxId: "kill" });
    process.kill(pid, "SIGKILL");
    assert.equal((await sandbox.waitSandbox({ sandboxId: "kill" })).exitStatus, 137);
    assert.equal((await sandbox.sandboxStatus({ sandboxId: "kill" })).state, "SANDBOX_NOTREADY");
    await sandbox.shutdownSandbox({ sandboxId: "kill" });

    using other = await openPod(daemon, "dies");
    await other.sandbox.createSandbox({ sandboxId: "dies", bundlePath: other.shim.bundle });
    const holder = await other.sandbox.startSandbox({ sandboxId: "dies" });
    process.kill(other.shim.pid, "SIGKILL");
    await until(() => !alive(holder.pid));
    assert.equal(other.shim.deleteCommand().pid, holder.pid);
    assert.ok(!existsSync(other.shim.address.slice("unix://".length)), "the socket of a dead shim is removed");
  });

  it("has figures where its cgroup was named", async () => {
    await using daemon = await openDaemon();
    using pod = await openPod(daemon, "stats");
    const { sandbox, shim } = pod;
    const options = podOptions({ linux: { cgroupParent: `/${daemon.namespace}` } });
    await sandbox.createSandbox({ sandboxId: "stats", bundlePath: shim.bundle, options });
    await sandbox.startSandbox({ sandboxId: "stats" });
    await shim.task.create({
      id: "stats",
      bundle: makeBundle(
        join(daemon.top, "t", daemon.namespace, "in"),
        ociSpec({ args: ["true"], cgroupsPath: `/${daemon.namespace}/in` }),
      ),
      rootfs: [daemon.rootfsMount()],
    });
    const { metrics } = await sandbox.sandboxMetrics({ sandboxId: "stats" });
    assert.equal(metrics?.id, "stats");
    const { memory } = Metrics.decode(metrics?.data?.value ?? new Uint8Array(0));
    assert.ok((memory?.usage?.usage ?? 0n) > 0n);
    await sandbox.stopSandbox({ sandboxId: "stats" });
    await shim.task.delete({ id: "stats" });
    await sandbox.shutdownSandbox({ sandboxId: "stats" });
    await until(() => !alive(shim.pid));
  });
});
