// What clients of ours leave: execs that have ended, FIFOs that nobody reads.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock } from "@berth/base";
import { packAny, topics, toTimestamp } from "@berth/proto";
import { TaskExit } from "@berth/proto/containerd/events";
import type { Runtime } from "../src/index.ts";
import { type FakeContainer, type FakeHost, openFakeHost } from "./fake-shim.ts";
import { taskOptions } from "./task-options.ts";

const NS = "test";

const create = (runtime: Runtime, id: string, client: string | null = null) =>
  runtime.tasks.create(NS, { ...taskOptions(id), client });
const exec = (execId: string, client: string | null) => ({ ...taskOptions(""), execId, spec: null, client });

/** Far more looks than anything takes. */
const LOOKS = 10_000;

async function until(isSo: () => boolean): Promise<void> {
  for (let look = 0; !isSo(); look++) {
    if (look === LOOKS) throw new Error(`never so: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A client's directory, with the client's ends of its FIFOs. */
function clientAt(host: FakeHost, name: string) {
  const directory = join(host.directory, "fifo", name);
  mkdirSync(directory, { recursive: true });
  const paths = ["alive", "stdout", "stderr"].map((fifo) => join(directory, fifo));
  execFileSync("mkfifo", paths);
  const [alive = "", stdout = ""] = paths;
  const open = [openSync(alive, constants.O_RDWR | constants.O_NONBLOCK)];
  return {
    directory,
    stdout,
    /** As a process that is killed. */
    die: () => {
      for (const fd of open.splice(0)) closeSync(fd);
    },
  };
}

function execEnds(runtime: Runtime, shim: FakeContainer, id: string): void {
  shim.execs.set(id, "stopped");
  const fields = { containerId: "web", id, pid: shim.pid + 1, exitStatus: 0 };
  const event = packAny(TaskExit, { ...fields, exitedAt: toTimestamp(systemClock.now()) });
  runtime.events.forward({ timestamp: systemClock.now(), namespace: NS, topic: topics.taskExit, event });
}

describe("an exec", () => {
  it("in the background is deleted some time after its end, and before if it was never started", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    const task = await create(runtime, "web");
    await task.exec(exec("made", ""));
    shim.execsAre = "running";
    await task.exec(exec("runs", ""));
    await until(() => !shim.execs.has("made"));
    assert.equal(shim.execs.get("runs"), "running");
    execEnds(runtime, shim, "runs");
    await until(() => !shim.execs.has("runs"));
    const noted = () => Object.keys(JSON.parse(readFileSync(join(task.bundle, "berth.json"), "utf8")).attended);
    await until(() => noted().length === 0);
  });

  it("of an API's client is that client's to delete", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    shim.execsAre = "running";
    const task = await create(runtime, "web");
    await task.exec(exec("theirs", null));
    await task.exec(exec("ours", ""));
    for (const id of ["theirs", "ours"]) execEnds(runtime, shim, id);
    await until(() => !shim.execs.has("ours"));
    assert.equal(shim.execs.get("theirs"), "stopped");
  });

  it("is left to its client as long as there is one, and deleted when it has gone", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    const shim = await host.container("web");
    shim.execsAre = "running";
    const client = clientAt(host, "berth-1");
    const task = await create(runtime, "web");
    await task.exec(exec("attended", client.directory));
    await task.exec(exec("background", ""));
    for (const id of ["attended", "background"]) execEnds(runtime, shim, id);
    await until(() => !shim.execs.has("background"));
    assert.equal(shim.execs.get("attended"), "stopped");
    client.die();
    await until(() => !shim.execs.has("attended"));
    await until(() => !existsSync(client.directory));
  });

  it("is deleted after a restart as well, also where its client went and it ended meanwhile", async () => {
    await using host = await openFakeHost();
    const first = await host.open();
    const shim = await host.container("web");
    shim.execsAre = "running";
    const client = clientAt(host, "berth-1");
    const task = await create(first, "web");
    await task.exec(exec("attended", client.directory));
    await task.exec(exec("background", ""));
    await first.close();
    assert.ok(existsSync(client.directory));
    for (const id of ["attended", "background"]) shim.execs.set(id, "stopped");
    client.die();
    const runtime = await host.open();
    await runtime.reconnect();
    await until(() => shim.execs.size === 0);
    await until(() => !existsSync(client.directory));
  });
});

describe("a container", () => {
  it("has its output read when its client has gone, what lay in the FIFO included, and again if the reader is killed", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    await host.container("web");
    const client = clientAt(host, "berth-1");
    const task = await create(runtime, "web", client.directory);
    await task.start("");
    // The shim's end.
    const shim = openSync(client.stdout, constants.O_RDWR | constants.O_NONBLOCK);
    writeSync(shim, "one\n");
    const drained = () => {
      const path = join(host.directory, "drained");
      return existsSync(path) ? readFileSync(path, "utf8") : "";
    };
    client.die();
    await until(() => drained() === "one\n");
    for (const pid of readersOf(client.stdout)) process.kill(pid, "SIGKILL");
    writeSync(shim, "two\n");
    await until(() => drained() === "one\ntwo\n");
    await runtime.close();
    // The reader goes on without us, and is not given a second one when we come back.
    writeSync(shim, "three\n");
    await until(() => drained() === "one\ntwo\nthree\n");
    const readers = readersOf(client.stdout);
    const second = await host.open();
    await second.reconnect();
    assert.deepEqual(readersOf(client.stdout), readers);
    closeSync(shim);
    await until(() => readersOf(client.stdout).length === 0);
  });

  it("leaves its client's directory to a living client, and takes that of one that has gone along", async () => {
    await using host = await openFakeHost();
    const runtime = await host.open();
    for (const [id, dies] of [
      ["one", false],
      ["two", true],
    ] as const) {
      const shim = await host.container(id);
      const client = clientAt(host, `berth-${id}`);
      await (await create(runtime, id, client.directory)).start("");
      shim.exit(0);
      if (dies) client.die();
      await runtime.tasks.delete(NS, id);
      assert.equal(existsSync(client.directory), !dies, id);
      client.die();
    }
  });
});

it("directories of clients that went before there was a process are removed, young and living ones not", async () => {
  await using host = await openFakeHost();
  const old = new Date(Date.now() - 3_600_000);
  const clients = ["gone", "young", "living"].map((name) => clientAt(host, `berth-${name}`));
  const [gone, young, living] = clients;
  mkdirSync(join(host.directory, "fifo/theirs"));
  gone?.die();
  young?.die();
  for (const client of [gone, living]) utimesSync(client?.directory ?? "", old, old);
  const runtime = await host.open();
  await runtime.reconnect();
  assert.deepEqual(readdirSync(join(host.directory, "fifo")).sort(), ["berth-living", "berth-young", "theirs"]);
  living?.die();
});

/** Other processes that have the file open. */
function readersOf(path: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .map(Number)
    .filter((pid) => {
      try {
        return readdirSync(`/proc/${pid}/fd`).some((fd) => isLinkTo(`/proc/${pid}/fd/${fd}`, path));
      } catch {
        return false;
      }
    });
}

function isLinkTo(link: string, path: string): boolean {
  try {
    return readlinkSync(link) === path;
  } catch {
    return false;
  }
}
