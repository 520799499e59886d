// What the runtime does with a real shim and a real OCI runtime. The suite is given the shim's path.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { isNotFound, kindOf } from "@berth/base";
import { topics, typeUrls, unpackAny } from "@berth/proto";
import { TaskExit } from "@berth/proto/containerd/events";
import { type Host, openHost, parentOf } from "./harness.ts";

const forever = ["/bin/sleep", "1000"];
const never = new AbortController().signal;
const soon = () => AbortSignal.timeout(20_000);

const isExitOf = (id: string) => (envelope: { topic: string; event: { typeUrl: string; value: Uint8Array } }) =>
  envelope.topic === topics.taskExit && unpackAny(TaskExit, envelope.event)?.id === id;

export function shimSuite(name: string, shim: string, skip: string | false): void {
  describe(`the runtime with ${name}`, { skip, concurrency: false }, () => {
    it("creates, starts, waits for and deletes a container", async () => {
      await using host = await openHost({ shim });
      host.container("short", ["/bin/sh", "-c", "exit 7"]);
      const task = await host.create("short");
      assert.equal((await task.state("")).status, "created");
      const waiting = task.wait("", never);
      assert.equal(await task.start(""), task.pid);
      const exit = await waiting;
      assert.equal(exit.status, 7);
      assert.equal(exit.pid, task.pid);
      await host.event(isExitOf("short"));
      assert.equal((await host.runtime.tasks.delete(host.namespace, "short")).status, 7);
      assert.equal(host.runtime.tasks.known(host.namespace, "short"), null);
      assert.equal(host.exits("short").length, 1);
      await host.assertNothingLeft();
    });

    it("runs execs, kills and reports them in order", async () => {
      await using host = await openHost({ shim });
      host.container("long", forever);
      const task = await host.create("long");
      await task.start("");
      const spec = {
        typeUrl: typeUrls.process,
        value: Buffer.from(
          JSON.stringify({ user: { uid: 0, gid: 0 }, args: ["/bin/sh", "-c", "exit 3"], env: ["PATH=/bin"], cwd: "/" }),
        ),
      };
      await task.exec({ execId: "e1", terminal: false, client: null, stdin: "", stdout: "", stderr: "", spec });
      const waiting = task.wait("e1", soon());
      await task.start("e1");
      assert.equal((await waiting).status, 3);
      assert.equal((await task.deleteExec("e1")).status, 3);
      assert.ok((await task.pids()).some(({ pid }) => pid === task.pid));
      await assert.rejects(host.create("long"), (error) => kindOf(error) === "already-exists");
      await assert.rejects(host.runtime.tasks.delete(host.namespace, "long"), /running/);
      await task.kill("", 9, false);
      assert.equal((await task.wait("", soon())).status, 137);
      await host.event(isExitOf("long"));
      await host.runtime.tasks.delete(host.namespace, "long");
      await host.assertNothingLeft();
      const order = host.events.map(({ topic }) => topic);
      assert.deepEqual(order.filter((topic) => topic === topics.taskExit).length, 2);
      assert.ok(order.indexOf(topics.taskCreate) < order.indexOf(topics.taskStart));
      assert.ok(order.indexOf(topics.taskStart) < order.indexOf(topics.taskExit));
    });

    it("leaves nothing of a container whose command does not exist", async () => {
      await using host = await openHost({ shim });
      host.container("bad", ["/no/such/command"]);
      await assert.rejects(async () => {
        const task = await host.create("bad");
        await task.start("");
      });
      if ((await host.runtime.tasks.list(host.namespace)).tasks.length > 0)
        await host.runtime.tasks.delete(host.namespace, "bad");
      await host.assertNothingLeft();
    });

    it("finds its tasks again after a restart", async () => {
      await using host = await openHost({ shim });
      host.container("kept", forever);
      const before = await host.create("kept");
      await before.start("");
      await host.leave();
      await host.comeBack();
      const task = await host.runtime.tasks.get(host.namespace, "kept");
      assert.equal(task.pid, before.pid);
      assert.equal((await task.state("")).status, "running");
      await task.kill("", 9, false);
      assert.equal((await task.wait("", soon())).status, 137);
      await host.event(isExitOf("kept"));
      await host.runtime.tasks.delete(host.namespace, "kept");
      assert.equal(host.exits("kept").length, 1);
      await host.assertNothingLeft();
    });

    it("reports once the exit that happened while it was away", async () => {
      await using host = await openHost({ shim });
      host.container("away", forever);
      const before = await host.create("away");
      await before.start("");
      const pid = before.pid;
      await host.leave();
      process.kill(pid, "SIGKILL");
      await host.comeBack();
      const task = await host.runtime.tasks.get(host.namespace, "away");
      assert.equal((await task.wait("", soon())).status, 137);
      await host.event(isExitOf("away"));
      assert.equal((await host.runtime.tasks.delete(host.namespace, "away")).status, 137);
      await host.assertNothingLeft();
      assert.deepEqual(
        host.exits("away").map(({ pid, exitStatus }) => ({ pid, exitStatus })),
        [{ pid, exitStatus: 137 }],
      );
    });

    it("cleans up after a shim that is killed, and tells the exit once", async () => {
      await using host = await openHost({ shim });
      host.container("orphan", forever);
      const task = await host.create("orphan");
      await task.start("");
      const waiting = task.wait("", soon());
      process.kill(parentOf(task.pid), "SIGKILL");
      assert.equal((await waiting).status, 137);
      await host.event(isExitOf("orphan"));
      await gone(host, "orphan");
      await host.assertNothingLeft();
      assert.equal(host.exits("orphan").length, 1);
      await assert.rejects(task.state(""), isNotFound);
    });

    it("cleans up after a shim that was killed while it was away", async () => {
      await using host = await openHost({ shim });
      host.container("lost", forever);
      const task = await host.create("lost");
      await task.start("");
      await host.leave();
      process.kill(parentOf(task.pid), "SIGKILL");
      await host.comeBack();
      assert.equal(host.runtime.tasks.known(host.namespace, "lost"), null);
      await host.assertNothingLeft();
      assert.equal(host.exits("lost").length, 1);
    });

    it("ends a container by force whose shim is stopped, without delaying another", async () => {
      await using host = await openHost({ shim, timeouts: { call: 2000, state: 2000 } });
      for (const id of ["stuck", "well"]) {
        host.container(id, forever);
        await (await host.create(id)).start("");
      }
      const stuck = await host.runtime.tasks.get(host.namespace, "stuck");
      await stop(parentOf(stuck.pid));
      await assert.rejects(stuck.state(""), (error) => kindOf(error) === "deadline-exceeded");
      let killed = false;
      const killing = stuck.kill("", 9, false).then(() => {
        killed = true;
      });
      const well = await host.runtime.tasks.get(host.namespace, "well");
      assert.equal((await well.state("")).status, "running");
      assert.ok(!killed, "the other container answers before the stuck one is given up");
      await killing;
      await host.event(isExitOf("stuck"));
      assert.equal(host.exits("stuck")[0]?.exitStatus, 137);
      await well.kill("", 9, false);
      await well.wait("", soon());
      await host.runtime.tasks.delete(host.namespace, "well");
      await host.assertNothingLeft();
    });

    it("keeps a container whose shim is stopped across a restart", async () => {
      await using host = await openHost({ shim, timeouts: { load: 500 } });
      host.container("slow", forever);
      const before = await host.create("slow");
      await before.start("");
      const shimPid = parentOf(before.pid);
      await host.leave();
      await stop(shimPid);
      await host.comeBack();
      const task = await host.runtime.tasks.get(host.namespace, "slow");
      assert.equal(task.pid, before.pid);
      process.kill(shimPid, "SIGCONT");
      assert.equal((await task.state("")).status, "running");
      await task.kill("", 9, false);
      await task.wait("", soon());
      await host.runtime.tasks.delete(host.namespace, "slow");
      await host.assertNothingLeft();
    });
  });
}

/** Stops a process, every thread of it. */
async function stop(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  const isStopped = (thread: string) => / \(.*\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1"));
  while (!readdirSync(`/proc/${pid}/task`).every(isStopped)) await new Promise((resolve) => setImmediate(resolve));
}

async function gone(host: Host, id: string): Promise<void> {
  await host.event(({ topic }) => topic === topics.taskDelete);
  // The name is free once the clean-up is over.
  while (host.runtime.tasks.known(host.namespace, id) !== null) await new Promise((resolve) => setImmediate(resolve));
  const { bundlesBelow } = await import("../support/leftovers.ts");
  while (bundlesBelow(host.state).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}
