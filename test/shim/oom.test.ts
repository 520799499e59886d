import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { filesOpenIn } from "../support/processes.ts";
import { openDaemon } from "./harness.ts";

/** Eventfds (cgroup v1) and cgroup files (v2). */
const watches = (pid: number): string[] =>
  filesOpenIn(pid).filter((target) => target.includes("eventfd") || target.includes("/memory."));
const LIMIT = 24 << 20;

describe("lack of memory", () => {
  it("is told when the kernel kills, once for each kill that is seen, though nothing that the shim follows ends", async () => {
    await using daemon = await openDaemon();
    const ooms = () => daemon.events.filter(({ topic }) => topic === "/tasks/oom").length;
    const shim = await daemon.start("o", {
      // A grandchild of the shim is killed: init reaps it and goes on.
      args: ["sh", "-c", "tail /dev/zero; sleep 100"],
      memoryLimit: LIMIT,
    });
    await shim.create();
    assert.equal(watches(shim.pid).length, 1);
    await shim.task.start({ id: "o" });
    const { event } = await daemon.event("/tasks/oom");
    assert.equal(event.containerId, "o");
    await shim.exec("x", ["tail", "/dev/zero"]);
    assert.equal((await shim.task.wait({ id: "o", execId: "x" })).exitStatus, 137);
    await daemon.event("/tasks/exit", (exit) => exit.id === "x");
    assert.equal(ooms(), 2, "the exec's kill is told before its exit");
    await shim.task.delete({ id: "o", execId: "x" });
    await shim.task.kill({ id: "o", signal: 9 });
    await shim.task.wait({ id: "o" });
    await shim.task.delete({ id: "o" });
    await daemon.event("/tasks/delete");
    assert.equal(ooms(), 2, "neither a kill by hand nor the cgroup's removal is one");
    assert.deepEqual(watches(shim.pid), [], "nothing of the watch is left");
    await shim.task.shutdown({ id: "o" });
  });

  it("is told before the exit of an init that it ends", async () => {
    await using daemon = await openDaemon();
    const shim = await daemon.start("i", { args: ["tail", "/dev/zero"], memoryLimit: LIMIT });
    await shim.create();
    await shim.task.start({ id: "i" });
    assert.equal((await shim.task.wait({ id: "i" })).exitStatus, 137);
    await shim.task.delete({ id: "i" });
    await daemon.event("/tasks/delete");
    assert.deepEqual(daemon.story("i"), ["create", "start", "oom", "exit", "delete"]);
    await shim.task.shutdown({ id: "i" });
  });
});
