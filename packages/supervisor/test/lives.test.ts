import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { alreadyExists, kindOf, silent } from "@berth/base";
import { createLives, finishSteps, type Lives } from "@berth/engine";
import { Engine } from "@berth/proto/berth/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import type { Step } from "@berth/store";
import { type Harness, namespace, scope, startHarness } from "./harness.ts";

const name = { namespace, id: "x" };
const taken = alreadyExists("container", "x");
const never = new AbortController().signal;

/** Work that ends when it is told to, or when its signal is aborted. */
function held(): { work: (signal?: AbortSignal) => Promise<void>; end(): void; begun: Promise<void> } {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  return {
    begun: begun.promise,
    end: ended.resolve,
    async work(signal) {
      signal?.addEventListener("abort", () => ended.reject(signal.reason), { once: true });
      begun.resolve();
      await ended.promise;
    },
  };
}

type Verb = "make" | "start" | "remove" | "force" | "finish";
const call = (lives: Lives, verb: Verb, work: (signal?: AbortSignal) => Promise<void>): Promise<void> =>
  ({
    make: () => lives.make(name, taken, never, work),
    start: () => lives.start(name, work),
    remove: () => lives.remove(name, false, () => work()),
    force: () => lives.remove(name, true, () => work()),
    finish: () => lives.finish(name, work),
  })[verb]();

/** What becomes of the second while the first is under way. */
const table: readonly [first: Verb, second: Verb, outcome: "refused" | "waits" | "runs" | "aborts" | "joins"][] = [
  ["make", "make", "refused"],
  ["make", "start", "runs"],
  ["make", "remove", "refused"],
  ["make", "force", "aborts"],
  ["make", "finish", "aborts"],
  ["start", "make", "runs"],
  ["start", "start", "runs"],
  ["start", "force", "runs"],
  ["start", "finish", "waits"],
  ["remove", "make", "refused"],
  ["remove", "start", "refused"],
  ["remove", "remove", "joins"],
  ["force", "remove", "joins"],
  ["remove", "finish", "waits"],
  ["finish", "make", "waits"],
  ["finish", "start", "waits"],
  ["finish", "remove", "waits"],
];

describe("lives of one name", () => {
  for (const [first, second, outcome] of table)
    it(`${second} during ${first}: ${outcome}`, async () => {
      const lives = createLives();
      const one = held();
      const two = held();
      const firstCall = call(lives, first, one.work);
      firstCall.catch(() => {}); // seen below
      await one.begun;
      const order: string[] = [];
      const secondCall = call(lives, second, async (signal) => {
        order.push("second");
        await two.work(signal);
      });
      if (outcome === "refused") {
        await assert.rejects(secondCall);
        one.end();
        return await firstCall;
      }
      if (outcome === "aborts") {
        await assert.rejects(firstCall, (error) => kindOf(error) === (second === "finish" ? "unavailable" : "aborted"));
      } else if (outcome === "joins") {
        one.end();
        await Promise.all([firstCall, secondCall]);
        return assert.deepEqual(order, [], "the work is done once");
      } else if (outcome === "waits") {
        await new Promise((turn) => setImmediate(turn));
        assert.deepEqual(order, []);
        one.end();
      }
      await two.begun;
      two.end();
      await secondCall;
      if (outcome === "runs") one.end();
      if (outcome !== "aborts") await firstCall;
      // The name is free again.
      await lives.make(name, taken, never, async () => {});
    });
});

describe("what a shutdown or a kill has cut short", () => {
  const options = { namespace };
  const states: readonly [what: string, step: Step | null, prepare: (h: Harness) => Promise<void>, left: string][] = [
    ["a record whose start was to follow", "run", async () => {}, "nothing"],
    ["a task that was to be started, with its record", "run", task, "nothing"],
    ["a run that came to its start", "run", async (h) => started(h), "running"],
    ["a run that has ended since", "run", async (h) => ended(h), "stopped"],
    ["a start of what was there before", "start", task, "record"],
    ["a removal before its first step", "remove", async (h) => started(h), "nothing"],
    ["a removal without a task", "remove", async () => {}, "nothing"],
    ["a record that was asked for", null, async () => {}, "record"],
    ["a task that was asked for", null, task, "created"],
  ];
  async function task(h: Harness): Promise<void> {
    await h.client(Engine).createTask({ id: "x" }, options);
  }
  async function started(h: Harness): Promise<void> {
    await task(h);
    await h.runtime.task(namespace, "x").start("");
  }
  async function ended(h: Harness): Promise<void> {
    await started(h);
    h.runtime.task(namespace, "x").end(3);
  }
  async function left(h: Harness): Promise<string> {
    const parts = await Array.fromAsync(h.client(Engine).listContainers({}, options));
    const containers = parts.flatMap((part) => part.containers);
    const snapshots = h.store.snapshotter("native").list(scope, ["kind==active"]);
    assert.equal(snapshots.length, containers.length);
    const [one] = containers;
    if (one === undefined) return "nothing";
    return one.status === "none" ? "record" : (one.status ?? "");
  }

  for (const [what, step, prepare, expected] of states)
    it(`${what}: ${expected} is left`, async () => {
      await using h = await startHarness();
      await h.client(Engine).createContainer({ id: "x", image: "tiny" }, options);
      await prepare(h);
      if (step !== null) h.store.unfinished.set(scope, "x", step);
      await finishSteps(h.engine, silent);
      assert.equal(await left(h), expected);
      assert.deepEqual(h.store.unfinished.list(), []);
    });

  it("a start that is answered takes the note away, whatever the answer", async () => {
    await using h = await startHarness();
    await h.client(Engine).createContainer({ id: "x", image: "tiny", startFollows: true }, options);
    assert.equal(h.store.unfinished.get(scope, "x"), "run");
    await h.client(Engine).createTask({ id: "x", startFollows: true }, options);
    assert.equal(h.store.unfinished.get(scope, "x"), "run");
    await h.client(Tasks).start({ containerId: "x" }, options);
    assert.equal(h.store.unfinished.get(scope, "x"), null);
    await assert.rejects(h.client(Engine).createTask({ id: "x", startFollows: true }, options));
    assert.deepEqual(h.store.unfinished.list(), []);
  });
});
