import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { isAlreadyExists, isNotFound, kindOf, systemClock, unknownError } from "@berth/base";
import { packAny, topics, toTimestamp, unpackAny } from "@berth/proto";
import { TaskExit, TaskOOM } from "@berth/proto/containerd/events";
import type { Envelope, Runtime, Task } from "../src/index.ts";
import { type FakeHost, openFakeHost } from "./fake-shim.ts";
import { taskOptions } from "./task-options.ts";

const NS = "test";
const never = new AbortController().signal;

const create = (runtime: Runtime, id: string) => runtime.tasks.create(NS, taskOptions(id));

const bundlesOf = (host: FakeHost): string[] => {
  const directory = join(host.state, "io.containerd.runtime.v2.task", NS);
  const work = join(host.directory, "root/io.containerd.runtime.v2.task", NS);
  return [directory, work].flatMap((path) => (existsSync(path) ? readdirSync(path) : []));
};

/** The files of a deleted bundle go right after the answer. */
const filesAreGone = () => new Promise((resolve) => setImmediate(resolve));

/** Everything that is published from now on. */
function listen(runtime: Runtime): { events: Envelope[]; exits(): TaskExit[]; until(topic: string): Promise<void> } {
  const events: Envelope[] = [];
  let wake = Promise.withResolvers<void>();
  void (async () => {
    for await (const event of runtime.events.subscribe([], never)) {
      events.push(event);
      wake.resolve();
      wake = Promise.withResolvers();
    }
  })();
  return {
    events,
    exits: () =>
      events
        .filter(({ topic }) => topic === topics.taskExit)
        .map(({ event }) => unpackAny(TaskExit, event) as TaskExit),
    async until(topic) {
      while (!events.some((event) => event.topic === topic)) await wake.promise;
    },
  };
}

/** A shim that was silent is waited for briefly, which may be less than an answer takes on a busy machine. */
async function statusAtLast(task: Task): Promise<string> {
  for (;;) {
    try {
      return (await task.state("")).status;
    } catch (error) {
      if (kindOf(error) !== "deadline-exceeded") throw error;
    }
  }
}

describe("create", () => {
  it("puts a bundle where containerd would, and removes it with the task", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    assert.equal(task.pid, shim.pid);
    assert.equal(task.bundle, join(host.state, "io.containerd.runtime.v2.task", NS, "web"));
    assert.deepEqual(readdirSync(task.bundle).sort(), [
      ".berth.json",
      "berth.json",
      "bootstrap.json",
      "log",
      "rootfs",
      "shim-binary-path",
      "work",
    ]);
    assert.deepEqual(JSON.parse(readFileSync(join(task.bundle, "bootstrap.json"), "utf8")), {
      version: 2,
      address: `unix://${host.directory}/web.sock`,
      protocol: "ttrpc",
    });
    await assert.rejects(create(runtime, "web"), isAlreadyExists);
    shim.exit(3);
    assert.equal((await runtime.tasks.delete(NS, "web")).status, 3);
    await filesAreGone();
    assert.deepEqual(bundlesOf(host), []);
    assert.deepEqual(host.commands("web"), ["start"]);
    assert.equal(runtime.tasks.known(NS, "web"), null);
  });

  it("lays a checkpoint out in a directory that is the task's, and goes with a create that fails and with the start", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    const laidOut: string[] = [];
    const options = (layOut: (directory: string) => Promise<void>) => ({ ...taskOptions("web"), checkpoint: layOut });
    const failing = runtime.tasks.create(
      NS,
      options(async () => {
        throw unknownError("no such image");
      }),
    );
    await assert.rejects(failing, /no such image/);
    assert.deepEqual(bundlesOf(host), []);
    const task = await runtime.tasks.create(
      NS,
      options(async (directory) => {
        laidOut.push(directory);
        writeFileSync(join(directory, "pages.img"), "");
      }),
    );
    const [directory = ""] = laidOut;
    assert.equal(shim.request?.checkpoint, directory);
    assert.ok(directory.startsWith(join(host.directory, "root")));
    assert.ok(existsSync(directory));
    await task.start("");
    assert.ok(!existsSync(directory));
  });

  it("says no to a bad id, namespace or container", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    await assert.rejects(create(runtime, "../x"), (error) => kindOf(error) === "invalid-argument");
    await assert.rejects(create(runtime, "unknown"), isNotFound);
    assert.deepEqual(bundlesOf(host), []);
  });

  const failures: [what: string, script: string, message: RegExp][] = [
    [
      "ends before its reply",
      "echo no kernel today >&2; exit 1",
      /failed to start shim: .*: exit status 1: no kernel today/,
    ],
    ["is killed before its reply", "kill -9 $$", /failed to start shim: .*: it was killed/],
    ["prints nothing", "exit 0", /printed no address/],
    ["prints garbage", "echo '<html>'; exit 0", /no address of a unix socket/],
    ["prints the address of no socket", "printf unix:///nowhere/x.sock", /cannot be reached: ENOENT/],
    ["speaks another protocol", `printf '{"version":3,"address":"unix:///x","protocol":"grpc"}'`, /berth speaks ttrpc/],
    ["is of a later version", `printf '{"version":4,"address":"unix:///x","protocol":"ttrpc"}'`, /berth knows 2 and 3/],
    ["takes for ever", "sleep 60", /took longer than 2000 ms/],
  ];
  for (const [what, script, message] of failures)
    it(`leaves nothing of a shim that ${what}`, async () => {
      await using host = await openFakeHost();
      const runtime = await host.open();
      await host.container("bad");
      host.onStart("bad", script);
      await assert.rejects(create(runtime, "bad"), message);
      assert.deepEqual(bundlesOf(host), []);
      // One that says no may want another form of input.
      const starts = what === "ends before its reply" ? ["start", "start"] : ["start"];
      assert.deepEqual(host.commands("bad"), [...starts, "delete"]);
      assert.equal(runtime.tasks.known(NS, "bad"), null);
    });

  it("kills what a launch without a reply has left", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    await host.container("bad");
    host.onStart("bad", `setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $! > "$FAKE_DIR/left"; exit 1`);
    await assert.rejects(create(runtime, "bad"));
    const pid = Number(readFileSync(join(host.directory, "left"), "utf8"));
    assert.ok(isGone(pid), `process ${pid} is alive`);
  });

  it("passes on why a shim cannot create, ends the shim and cleans up after it", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("bad");
    shim.fails.set("create", unknownError("exec: no such file"));
    await assert.rejects(create(runtime, "bad"), /exec: no such file/);
    assert.deepEqual(bundlesOf(host), []);
    assert.ok(shim.calls.includes("shutdown"));
    assert.deepEqual(host.commands("bad"), ["start", "delete"], "the runtime may have made something already");
  });

  it("gives up on a Create that hangs, and on nothing else", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const stuck = await host.container("stuck");
    stuck.hangs.add("create").add("delete");
    const failing = create(runtime, "stuck");
    await host.container("well");
    await create(runtime, "well");
    assert.equal(runtime.tasks.known(NS, "stuck"), null);
    await assert.rejects(failing, (error) => kindOf(error) === "deadline-exceeded");
    assert.deepEqual(host.commands("stuck"), ["start", "delete"]);
    assert.deepEqual(bundlesOf(host), ["well", "well"]);
  });

  it("takes back what is not done when the runtime closes", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open({ timeouts: { create: 60_000 } });
    const shim = await host.container("web");
    shim.hangs.add("create");
    const failing = assert.rejects(create(runtime, "web"), (error) => kindOf(error) === "canceled");
    while (!shim.calls.includes("create")) await new Promise((resolve) => setImmediate(resolve));
    await runtime.close();
    await failing;
    assert.deepEqual(bundlesOf(host), []);
    await assert.rejects(create(runtime, "web"), (error) => kindOf(error) === "failed-precondition");
  });

  it("does not wait for Connect", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open({ timeouts: { call: 60_000 } });
    const shim = await host.container("web");
    shim.hangs.add("connect");
    await create(runtime, "web");
    shim.die();
  });

  it("uses version 3 where it is offered, and version 2 where that turns out to be missing", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    for (const [id, versions, got] of [
      ["three", [3], 3],
      ["both", [2, 3], 3],
      ["two", [2], 2],
    ] as const) {
      await host.container(id, { versions });
      host.onStart(id, `printf '{"version":3,"address":"unix://%s/%s.sock","protocol":"ttrpc"}' "$FAKE_DIR" ${id}`);
      const task = await create(runtime, id);
      assert.equal(JSON.parse(readFileSync(join(task.bundle, "bootstrap.json"), "utf8")).version, got, id);
    }
  });

  it("launches a shim again that wants bootstrap parameters, and remembers", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const script = `if [ "$(head -c 5 | tail -c 3)" = new ]; then printf 'unix://%s/%s.sock' "$FAKE_DIR" $id; else echo I do not know that; exit 1; fi`;
    for (const id of ["new", "newer"]) {
      await host.container(id);
      host.onStart(id, script);
      await create(runtime, id);
    }
    assert.deepEqual(host.commands("new"), ["start", "start"]);
    assert.deepEqual(host.commands("newer"), ["start"]);
  });
});

describe("a task", () => {
  it("tells everybody who waits, with one call", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    const caller = new AbortController();
    const leaving = task.wait("", caller.signal);
    const staying = [task.wait("", never), task.wait("", never)];
    caller.abort();
    await assert.rejects(leaving, (error) => kindOf(error) === "canceled");
    shim.exit(5);
    for (const exit of await Promise.all(staying)) assert.equal(exit.status, 5);
    assert.equal(shim.calls.filter((name) => name === "wait").length, 1);
  });

  it("joins calls that are the same and under way", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    await Promise.all([
      task.kill("", 15, false),
      task.kill("", 15, false),
      task.kill("", 1, false),
      task.stats(),
      task.stats(),
    ]);
    assert.equal(shim.calls.filter((name) => name === "kill").length, 2);
    assert.equal(shim.calls.filter((name) => name === "stats").length, 1);
  });

  it("survives a shim that drops its connection, and so does who waits", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const heard = listen(runtime);
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    const waiting = task.wait("", never);
    await task.stats();
    shim.drop();
    assert.equal((await task.state("")).status, "created");
    shim.exit(4);
    assert.equal((await waiting).status, 4);
    assert.deepEqual(host.commands("web"), ["start"]);
    assert.deepEqual(heard.exits(), []);
  });

  it("gets the exit from the delete command when its shim is lost, and tells it once", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const heard = listen(runtime);
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    const waiting = task.wait("", never);
    const at = 1_700_000_000_123_456_789n;
    host.onDelete("web", { pid: shim.pid, exitStatus: 137, exitedAt: at });
    shim.die();
    assert.deepEqual(await waiting, { pid: shim.pid, status: 137, at });
    await heard.until(topics.taskDelete);
    assert.deepEqual(
      heard.exits().map(({ id, exitStatus }) => [id, exitStatus]),
      [["web", 137]],
    );
    await assert.rejects(task.state(""), isNotFound);
  });

  it("leaves its exit where it is deleted or lost, until there is another task", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    await (await create(runtime, "web")).start("");
    const oom = packAny(TaskOOM, { containerId: "web" });
    for (let times = 0; times < 2; times++)
      runtime.events.forward({ timestamp: systemClock.now(), namespace: NS, topic: topics.taskOom, event: oom });
    assert.equal((await runtime.tasks.get(NS, "web")).ranOutOfMemory, true);
    shim.exit(137);
    await runtime.tasks.delete(NS, "web");
    assert.deepEqual(host.exits.get("web"), { pid: shim.pid, status: 137, at: shim.exitedAt, outOfMemory: true });
    const next = await host.container("web");
    const lost = await create(runtime, "web");
    assert.equal(host.exits.has("web"), false);
    const waiting = lost.wait("", never);
    const at = 1_700_000_000_000_000_000n;
    host.onDelete("web", { pid: next.pid, exitStatus: 137, exitedAt: at });
    next.die();
    await waiting;
    assert.deepEqual(host.exits.get("web"), { pid: next.pid, status: 137, at, outOfMemory: false });
  });

  it("has its exit told at its delete where its shim's event has not come, and that one dropped when it comes", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const heard = listen(runtime);
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    await task.start("");
    const waiting = task.wait("", never);
    assert.equal(task.hasEnded, false);
    shim.exit(3);
    await waiting;
    assert.equal(task.hasEnded, true);
    assert.deepEqual(heard.exits(), []);
    await runtime.tasks.delete(NS, "web");
    const late = packAny(TaskExit, {
      containerId: "web",
      id: "web",
      pid: shim.pid,
      exitStatus: 3,
      exitedAt: toTimestamp(shim.exitedAt),
    });
    runtime.events.forward({ timestamp: systemClock.now(), namespace: NS, topic: topics.taskExit, event: late });
    runtime.events.publish(NS, topics.taskOom, packAny(TaskOOM, { containerId: "other" }));
    await heard.until(topics.taskOom);
    assert.deepEqual(
      heard.exits().map(({ pid, exitStatus }) => [pid, exitStatus]),
      [[shim.pid, 3]],
    );
  });

  it("leaves no exit where its container goes as well, or it was never started", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    await (await create(runtime, "web")).start("");
    shim.exit(1);
    await runtime.tasks.delete(NS, "web", { withContainer: true });
    await host.container("made");
    await create(runtime, "made");
    await runtime.tasks.delete(NS, "made");
    assert.deepEqual([...host.exits.keys()], []);
  });

  it("that has ended is not taken for its exec, which is killed when their shim is lost", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    shim.hangs.add("wait");
    const waiting = task.wait("an-exec", never);
    host.onDelete("web", { pid: shim.pid, exitStatus: 0, exitedAt: systemClock.now() });
    shim.die();
    assert.equal((await waiting).status, 137);
    assert.equal(host.exits.get("web")?.status, 0);
  });

  it("ends with 255 when nobody can tell how", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    const waiting = task.wait("", never);
    shim.die();
    assert.equal((await waiting).status, 255);
  });

  it("does not tell an exit again that its shim told before it was lost", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const heard = listen(runtime);
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    const exit = packAny(TaskExit, {
      containerId: "web",
      id: "web",
      pid: shim.pid,
      exitStatus: 9,
      exitedAt: toTimestamp(systemClock.now()),
    });
    for (let times = 0; times < 3; times++)
      runtime.events.forward({ timestamp: systemClock.now(), namespace: NS, topic: topics.taskExit, event: exit });
    const waiting = task.wait("", never);
    host.onDelete("web", { pid: 0, exitStatus: 137, exitedAt: systemClock.now() });
    shim.die();
    assert.equal((await waiting).status, 9);
    await heard.until(topics.taskDelete);
    assert.equal(heard.exits().length, 1);
  });

  it("is ended by force when its shim does not answer to SIGKILL, and another is not delayed", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const heard = listen(runtime);
    const stuck = await host.container("stuck");
    await host.container("well");
    const task = await create(runtime, "stuck");
    const other = await create(runtime, "well");
    stuck.hangs.add("kill").add("state");
    await assert.rejects(task.state(""), (error) => kindOf(error) === "deadline-exceeded");
    await assert.rejects(task.kill("", 15, false), (error) => kindOf(error) === "deadline-exceeded");
    const killing = task.kill("", 9, false);
    await other.state("");
    await killing;
    assert.deepEqual(
      heard.exits().map(({ id, exitStatus }) => [id, exitStatus]),
      [["stuck", 137]],
    );
    assert.deepEqual(bundlesOf(host), ["well", "well"]);
  });

  for (const [title, hangs] of [
    ["is stuck: asked, killed, and ended by force", ["kill", "state", "wait"]],
    ["answers and does nothing", []],
  ] as const) {
    it(`is stopped although its shim ${title}`, async () => {
      await using host = await openFakeHost();
      const runtime = await host.open();
      const shim = await host.container("deaf");
      const task = await create(runtime, "deaf");
      for (const method of hangs) shim.hangs.add(method);
      assert.equal((await task.stop({ signal: 15, graceMs: 20 }, never)).status, 137);
      assert.equal(shim.calls.filter((name) => name === "kill").length, 2);
      assert.deepEqual(bundlesOf(host), []);
    });
  }

  it("is not killed where it ends in its grace, and thaws for the signal", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    shim.status = "paused";
    const stopping = task.stop({ signal: 15, graceMs: 60_000 }, never);
    while (!shim.calls.includes("resume")) await new Promise((resolve) => setImmediate(resolve));
    shim.exit(3);
    assert.equal((await stopping).status, 3);
    assert.equal(shim.calls.filter((name) => name === "kill").length, 1);
  });

  it("is asked again at once when its shim goes on, and nobody waits twice for one that does not", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open({ timeouts: { state: 100, call: 60_000 } });
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    shim.hangs.add("state");
    const late = (error: unknown) => kindOf(error) === "deadline-exceeded";
    for (let times = 0; times < 3; times++) await assert.rejects(task.state(""), late);
    assert.equal(shim.calls.filter((name) => name === "state").length, 1, "the first question is still with the shim");
    shim.hangs.clear();
    shim.drop();
    assert.equal(await statusAtLast(task), "created");
  });

  it("is deleted although its shim does not end", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    await create(runtime, "web");
    shim.exit(0);
    shim.hangs.add("shutdown");
    assert.equal((await runtime.tasks.delete(NS, "web")).status, 0);
    await filesAreGone();
    assert.deepEqual(bundlesOf(host), []);
    assert.ok(!existsSync(join(host.directory, "web.sock")), "its socket is left");
  });

  it("cannot be deleted while it runs", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    await host.container("web");
    const task = await create(runtime, "web");
    await task.start("");
    await assert.rejects(runtime.tasks.delete(NS, "web"), /running/);
    assert.equal(runtime.tasks.known(NS, "web"), task);
  });
});

describe("reconnect", () => {
  it("finds tasks again, and deletes them", async () => {
    await using host = await openFakeHost();
    const first = await host.open();
    const shim = await host.container("web");
    await create(first, "web");
    await first.close();
    const runtime = await host.open();
    assert.equal(runtime.tasks.known(NS, "web"), null);
    const found = runtime.tasks.get(NS, "web");
    await runtime.reconnect();
    assert.equal((await (await found).state("")).status, "created");
    shim.exit(1);
    assert.equal((await runtime.tasks.delete(NS, "web")).status, 1);
    await filesAreGone();
    assert.deepEqual(bundlesOf(host), []);
  });

  it("is waited for by a call for its container, and for a time only", async () => {
    await using host = await openFakeHost();
    const before = await host.open();
    await host.container("web");
    await create(before, "web");
    await before.close();
    const runtime = await host.open({ timeouts: { reconnect: 20 } });
    await assert.rejects(runtime.tasks.get(NS, "web"), (error: Error) => {
      assert.equal(kindOf(error), "unavailable");
      assert.equal(error.message, 'container "web" is still being reconnected to: try again');
      return true;
    });
    assert.equal(runtime.tasks.known(NS, "web"), null);
    assert.equal(await runtime.tasks.find(NS, "other"), null, "of which there is nothing to wait for");
    await runtime.reconnect();
    assert.equal((await runtime.tasks.get(NS, "web")).id, "web");
  });

  it("lets a task go whose delete went on in the shim after whoever had asked for it was gone", async () => {
    await using host = await openFakeHost();
    const before = await host.open();
    const shim = await host.container("web");
    await (await create(before, "web")).start("");
    shim.exit(7);
    await before.close();
    const runtime = await host.open({ timeouts: { exitGrace: 60_000 } });
    const heard = listen(runtime);
    await runtime.reconnect();
    const task = await runtime.tasks.get(NS, "web");
    assert.equal((await task.state("")).status, "stopped");
    // Only now it is the shim's turn.
    shim.status = "deleted";
    await assert.rejects(task.state(""), isNotFound);
    while (bundlesOf(host).length > 0) await filesAreGone();
    assert.equal(runtime.tasks.known(NS, "web"), null);
    assert.equal(host.exits.get("web")?.status, 7);
    assert.deepEqual(
      heard.exits().map(({ exitStatus }) => exitStatus),
      [7],
    );
    assert.ok(shim.calls.includes("shutdown"));
  });

  it("tells an exit that happened meanwhile once, and never again", async () => {
    await using host = await openFakeHost();
    const first = await host.open();
    const shim = await host.container("web");
    await (await create(first, "web")).start("");
    await first.close();
    shim.exit(7);
    const second = await host.open();
    const heard = listen(second);
    const ended: string[] = [];
    using _ending = second.onExit(({ id, execId }) => ended.push(`${id}/${execId}`));
    await second.reconnect();
    await heard.until(topics.taskExit);
    const late = packAny(TaskExit, {
      containerId: "web",
      id: "web",
      pid: shim.pid,
      exitStatus: 7,
      exitedAt: toTimestamp(shim.exitedAt),
    });
    second.events.forward({ timestamp: systemClock.now(), namespace: NS, topic: topics.taskExit, event: late });
    assert.deepEqual(
      heard.exits().map(({ exitStatus }) => exitStatus),
      [7],
    );
    assert.deepEqual(ended.splice(0), ["web/"]);
    await second.close();
    const third = await host.open({ timeouts: { exitGrace: 0 } });
    using _later = third.onExit(({ id, execId }) => ended.push(`${id}/${execId}`));
    const later = listen(third);
    await third.reconnect();
    third.events.publish(NS, topics.taskOom, packAny(TaskExit, {}));
    await later.until(topics.taskOom);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(later.exits(), []);
    assert.deepEqual(ended, []);
  });

  it("does not wait for a shim that does not answer, except for whoever asks for it", async () => {
    await using host = await openFakeHost();
    const first = await host.open();
    const stuck = await host.container("stuck");
    await host.container("well");
    await create(first, "stuck");
    await create(first, "well");
    await first.close();
    stuck.hangs.add("state");
    const runtime = await host.open({ timeouts: { load: 300 } });
    const all = runtime.reconnect();
    await runtime.settled(NS, "well");
    assert.equal((await (await runtime.tasks.get(NS, "well")).state("")).status, "created");
    assert.equal(runtime.tasks.known(NS, "stuck"), null);
    await runtime.settled(NS, "stuck");
    await all;
    stuck.hangs.clear();
    assert.equal(await statusAtLast(await runtime.tasks.get(NS, "stuck")), "created");
    assert.deepEqual(host.commands("stuck"), ["start"], "a slow shim is no dead shim");
  });

  it("lists after a restart once all is decided, and names what is not when the one deadline has passed", async () => {
    await using host = await openFakeHost();
    const first = await host.open();
    const stuck = await host.container("stuck");
    await host.container("well");
    await create(first, "stuck");
    await create(first, "well");
    await first.close();
    stuck.hangs.add("state").add("connect");
    const runtime = await host.open({ timeouts: { load: 300, state: 60_000 } });
    const listing = runtime.tasks.list(NS);
    const isSettled = runtime.isSettled(NS, "stuck");
    const all = runtime.reconnect();
    const { tasks, undecided } = await listing;
    assert.deepEqual(
      tasks.map(({ id }) => id),
      ["well"],
    );
    assert.deepEqual(undecided, ["stuck"]);
    assert.equal(await isSettled, false);
    assert.equal(await runtime.isSettled(NS, "well"), true);
    await all;
    assert.equal((await runtime.tasks.list(NS)).tasks.length, 2);
    // It has left its first question unanswered: nobody waits for the whole time (a minute) again.
    await assert.rejects(
      (await runtime.tasks.get(NS, "stuck")).state(""),
      (error) => kindOf(error) === "deadline-exceeded",
    );
    stuck.hangs.clear();
    stuck.drop();
    assert.equal(await statusAtLast(await runtime.tasks.get(NS, "stuck")), "created");
  });

  it("keeps an exit that a shim tells before its container is known again", async () => {
    await using host = await openFakeHost();
    const first = await host.open();
    const shim = await host.container("web");
    await (await create(first, "web")).start("");
    await first.close();
    shim.exit(7);
    const second = await host.open();
    const fields = { containerId: "web", id: "web", pid: shim.pid, exitStatus: 7 };
    const event = packAny(TaskExit, { ...fields, exitedAt: toTimestamp(shim.exitedAt) });
    second.events.forward({ timestamp: systemClock.now(), namespace: NS, topic: topics.taskExit, event });
    await second.reconnect();
    const { bundle } = await second.tasks.get(NS, "web");
    assert.equal(JSON.parse(readFileSync(join(bundle, "berth.json"), "utf8")).exit.status, 7);
  });

  it("cleans up after a shim that has ended meanwhile", async () => {
    await using host = await openFakeHost();
    const first = await host.open();
    const shim = await host.container("web");
    await create(first, "web");
    await first.close();
    shim.die();
    host.onDelete("web", { pid: shim.pid, exitStatus: 137, exitedAt: systemClock.now() });
    const runtime = await host.open();
    const heard = listen(runtime);
    await runtime.reconnect();
    await heard.until(topics.taskDelete);
    assert.deepEqual(
      heard.exits().map(({ exitStatus }) => exitStatus),
      [137],
    );
    assert.deepEqual(bundlesOf(host), []);
    assert.equal(runtime.tasks.known(NS, "web"), null);
  });

  it("dials nobody after a reboot", async () => {
    await using host = await openFakeHost();
    const first = await host.open({ bootId: "one" });
    const shim = await host.container("web");
    await create(first, "web");
    await first.close();
    const calls = shim.calls.length;
    const runtime = await host.open({ bootId: "two" });
    await runtime.reconnect();
    assert.equal(shim.calls.length, calls);
    assert.deepEqual(bundlesOf(host), []);
    assert.deepEqual(host.exits.get("web"), { pid: 0, status: 255, at: 0n, outOfMemory: false });
  });

  it("undoes a create that was cut short, with every process of its launch", async () => {
    await using host = await openFakeHost();
    const bundle = join(host.state, "io.containerd.runtime.v2.task", NS, "cut");
    mkdirSync(bundle, { recursive: true });
    const launchId = `cut-${process.pid}`;
    const orphan = spawn("sleep", ["600"], {
      env: { BERTH_LAUNCH: launchId, PATH: process.env.PATH },
      stdio: "ignore",
    });
    await once(orphan, "spawn");
    const bystander = spawn("sleep", ["600"], {
      env: { BERTH_LAUNCH: `${launchId}0`, PATH: process.env.PATH },
      stdio: "ignore",
    });
    await once(bystander, "spawn");
    writeFileSync(
      join(bundle, "berth.json"),
      JSON.stringify({
        version: 1,
        bootId: "boot",
        launchId,
        shim: host.shim,
        phase: "launching",
        address: "",
        api: 2,
        shimProcess: null,
        init: null,
        exit: null,
      }),
    );
    const ended = once(orphan, "exit");
    const runtime = await host.open({ bootId: "boot" });
    await runtime.reconnect();
    assert.deepEqual(await ended, [null, "SIGKILL"]);
    assert.equal(bystander.exitCode, null);
    bystander.kill("SIGKILL");
    assert.deepEqual(host.commands("cut"), ["delete"]);
    assert.deepEqual(bundlesOf(host), []);
  });

  it("ends a shim that keeps no container any more", async () => {
    await using host = await openFakeHost();
    const first = await host.open();
    const shim = await host.container("web");
    await create(first, "web");
    await first.close();
    shim.status = "deleted";
    const runtime = await host.open();
    await runtime.reconnect();
    assert.ok(shim.calls.includes("shutdown"));
    assert.deepEqual(bundlesOf(host), []);
  });

  const damages: [what: string, damage: (bundle: string) => void][] = [
    ["is empty", (bundle) => writeFileSync(join(bundle, "berth.json"), "")],
    ["is garbage", (bundle) => writeFileSync(join(bundle, "berth.json"), "\0\xff{")],
    ["is missing", (bundle) => rmSync(join(bundle, "berth.json"))],
    [
      "names a socket that is not there",
      (bundle) => {
        const path = join(bundle, "berth.json");
        writeFileSync(path, readFileSync(path, "utf8").replace(/unix:[^"]*/, "unix:///nowhere/s"));
      },
    ],
  ];
  for (const [what, damage] of damages)
    it(`keeps a container whose journal ${what}`, async () => {
      await using host = await openFakeHost();
      const first = await host.open();
      await host.container("web");
      const { bundle } = await create(first, "web");
      await first.close();
      damage(bundle);
      const runtime = await host.open();
      await runtime.reconnect();
      assert.equal((await (await runtime.tasks.get(NS, "web")).state("")).status, "created");
      assert.deepEqual(host.commands("web"), ["start"]);
      assert.equal(JSON.parse(readFileSync(join(bundle, "berth.json"), "utf8")).phase, "created");
    });

  it("cleans up with the shim's command where a damaged bundle leads to no shim", async () => {
    await using host = await openFakeHost();
    const first = await host.open();
    const shim = await host.container("web");
    const { bundle } = await create(first, "web");
    await first.close();
    shim.die();
    host.onDelete("web", { pid: shim.pid, exitStatus: 137, exitedAt: systemClock.now() });
    for (const name of ["berth.json", "bootstrap.json"]) writeFileSync(join(bundle, name), "{");
    writeFileSync(join(bundle, "init.pid"), String(shim.pid));
    const runtime = await host.open();
    const heard = listen(runtime);
    await runtime.reconnect();
    assert.deepEqual(
      heard.exits().map(({ exitStatus }) => exitStatus),
      [137],
    );
    assert.deepEqual(host.commands("web"), ["start", "delete"]);
    assert.deepEqual(bundlesOf(host), []);
  });

  it("says nothing of a container whose bundle cannot be read, until it can", async () => {
    await using host = await openFakeHost();
    const first = await host.open();
    await host.container("web");
    const { bundle } = await create(first, "web");
    await first.close();
    const path = join(bundle, "berth.json");
    renameSync(path, `${path}.kept`);
    mkdirSync(path);
    const runtime = await host.open({ timeouts: { load: 20 } });
    const all = runtime.reconnect();
    assert.deepEqual((await runtime.tasks.list(NS)).undecided, ["web"]);
    rmSync(path, { recursive: true });
    renameSync(`${path}.kept`, path);
    await all;
    assert.equal((await (await runtime.tasks.get(NS, "web")).state("")).status, "created");
  });

  it("takes over a bundle of containerd's, and removes an empty one and what is left of others", async () => {
    await using host = await openFakeHost();
    await host.container("stale");
    const tasks = join(host.state, "io.containerd.runtime.v2.task", NS);
    const shim = await host.container("theirs");
    shim.status = "running";
    mkdirSync(join(tasks, "theirs"), { recursive: true });
    writeFileSync(join(tasks, "theirs/address"), `unix://${host.directory}/theirs.sock`);
    writeFileSync(join(tasks, "theirs/shim-binary-path"), host.shim);
    mkdirSync(join(tasks, "empty"));
    mkdirSync(join(tasks, ".half-removed.0123abcd"));
    mkdirSync(join(host.directory, "root/io.containerd.runtime.v2.task", NS, "stale"), { recursive: true });
    const runtime = await host.open();
    await runtime.reconnect();
    assert.equal((await (await runtime.tasks.get(NS, "theirs")).state("")).status, "running");
    assert.deepEqual(bundlesOf(host), ["theirs"]);
    assert.equal(host.exits.get("stale")?.status, 255, "it had a task when the machine went down");
  });
});

function isGone(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
  } catch {
    return true;
  }
}
