// containerd 2.1 has this shim keep its pods: its sandboxer `shim`.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connectGrpc } from "@berth/grpc";
import { Controller, Store } from "@berth/proto/containerd/services/sandbox/v1";
import { alive, until } from "../shim/harness.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { processesNaming } from "../support/leftovers.ts";
import { leftOut, type OldOrNew, startRelease } from "./debian.ts";

const image = "docker.io/library/busybox:test";
const runtime = "io.containerd.berth.v2";
const sandboxer = "shim";

describe("the sandboxer of containerd 2.1", { skip: leftOut }, () => {
  let daemon: OldOrNew;
  before(async () => {
    daemon = await startRelease("sid");
    const archive = join(daemon.dir, "image.tar");
    writeBusyboxImage(archive, { format: "oci", name: image });
    await daemon.ctr("images", "import", archive);
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
  });

  const shims = () => processesNaming(daemon.dir).filter(({ command }) => command.includes("containerd-shim"));

  it("has pods kept by this shim, with containers in them, across a restart of the daemon", async () => {
    const call = { namespace: daemon.namespace };
    const sandboxId = "pod";
    const of = { sandboxId, sandboxer };
    const bundle = join(daemon.state, "io.containerd.sandbox.controller.v1.shim", daemon.namespace, sandboxId);
    const sandbox = { sandboxId, sandboxer, runtime: { name: runtime, options: null } };
    {
      using connection = connectGrpc(daemon.address);
      const [store, controller] = [connection.service(Store), connection.service(Controller)];
      await store.create({ sandbox }, call);
      await controller.create({ ...of, sandbox }, call);
      const started = await controller.start(of, call);
      assert.ok(alive(started.pid));
      // Version 3: its containers join without a start of their own.
      const bootstrap = JSON.parse(readFileSync(join(bundle, "bootstrap.json"), "utf8"));
      assert.deepEqual([bootstrap.version, bootstrap.protocol], [3, "ttrpc"]);
      assert.equal((await controller.status({ ...of, verbose: true }, call)).state, "SANDBOX_READY");

      for (const id of ["one", "two"]) {
        const ran = await daemon.ctr(
          "run",
          "-d",
          "--runtime",
          runtime,
          "--sandbox",
          sandboxId,
          image,
          id,
          "sleep",
          "1000",
        );
        assert.equal(ran.code, 0, ran.stderr);
      }
      assert.equal(shims().length, 1, "one shim keeps the pod and what is in it");
      const info = (await controller.status({ ...of, verbose: true }, call)).info;
      assert.equal(info.containers, "one two");
    }

    await daemon.end();
    await daemon.start();
    using connection = connectGrpc(daemon.address);
    const [store, controller] = [connection.service(Store), connection.service(Controller)];
    const status = await controller.status(of, call);
    assert.equal(status.state, "SANDBOX_READY");
    assert.notEqual(readlinkSync(`/proc/${status.pid}/ns/ipc`), readlinkSync("/proc/self/ns/ipc"));
    const exec = await daemon.ctr("tasks", "exec", "--exec-id", "e", "one", "echo", "again");
    assert.deepEqual([exec.code, exec.stdout], [0, "again\n"]);

    const waiting = controller.wait(of, call);
    await controller.stop({ ...of, timeoutSecs: 5 }, call);
    assert.equal((await waiting).exitStatus, 0);
    for (const id of ["one", "two"]) {
      assert.match((await daemon.ctr("tasks", "delete", id)).stderr, /exit with non-zero exit code 137/);
      await daemon.ctr("containers", "rm", id);
    }
    const [shim] = shims();
    await controller.shutdown(of, call);
    await store.delete({ sandboxId }, call);
    await until(() => !alive(shim?.pid ?? 0));
    assert.ok(!existsSync(bundle));
    const tasks = join(daemon.state, "io.containerd.runtime.v2.task", daemon.namespace);
    assert.deepEqual(existsSync(tasks) ? readdirSync(tasks) : [], []);
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(`${daemon.namespace}/pod`));
  });
});
