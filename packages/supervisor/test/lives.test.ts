import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { alreadyExists, kindOf, silent } from "@berth/base";
import { createLives, finishSteps, type Lives } from "@berth/engine";
import { Engine } from "@berth/proto/berth/v1";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Namespaces } from "@berth/proto/containerd/services/namespaces/v1";
import { Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import type { Step } from "@berth/store";
import { type Harness, namespace, scope, startHarness } from "./harness.ts";

const name = { namespace, id: "x" };
const taken = alreadyExists("container", "x");
const never = new AbortController().signal;

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error,
  );

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

type Verb = "make" | "start" | "remove" | "force" | "leave" | "finish";
const call = (lives: Lives, verb: Verb, work: (signal?: AbortSignal) => Promise<void>): Promise<void> =>
  ({
    make: () => lives.make(name, taken, never, work),
    start: () => lives.start(name, work),
    remove: () => lives.remove(name, false, () => work()),
    force: () => lives.remove(name, true, () => work()),
    // Answered when it begins: what it is for is that others wait all the same.
    leave: () =>
      lives.leave(name, true, (_aborted, certain) => {
        certain();
        return work();
      }),
    finish: () => lives.finish(name, false, work),
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
  ["make", "leave", "aborts"],
  ["start", "leave", "runs"],
  ["remove", "leave", "joins"],
  ["leave", "make", "waits"],
  ["leave", "start", "waits"],
  ["leave", "remove", "waits"],
  ["leave", "leave", "waits"],
  ["leave", "finish", "waits"],
  ["finish", "make", "waits"],
  ["finish", "start", "waits"],
  ["finish", "remove", "waits"],
  ["finish", "leave", "waits"],
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

it("of two removals that wait for the same making, one does the work and the other joins it", async () => {
  const lives = createLives();
  const making = held();
  const made = lives.make(name, taken, never, making.work);
  await making.begun;
  let times = 0;
  const remove = () => lives.remove(name, true, async () => void times++);
  await Promise.all([assert.rejects(made), remove(), remove()]);
  assert.equal(times, 1);
});

describe("what is leaving", () => {
  it("is waited for by who asks for it, its namespace or all, and by nobody else", async () => {
    const lives = createLives();
    const one = held();
    await lives.leave(name, true, (_aborted, certain) => {
      certain();
      return one.work();
    });
    await Promise.all([lives.left({ namespace, id: "y" }), lives.left({ namespace: "other" })]);
    let has = false;
    const waiting = [lives.left({ namespace, id: "x" }), lives.left({ namespace }), lives.left({})];
    const seen = Promise.all(waiting.map((left) => left.then(() => has)));
    await new Promise((turn) => setImmediate(turn));
    has = true;
    one.end();
    assert.deepEqual(await seen, [true, true, true]);
    await lives.left({});
  });

  it("fails its caller until it is certain, and nobody after", async () => {
    const lives = createLives();
    await assert.rejects(
      lives.leave(name, true, async () => assert.fail("not there")),
      /not there/,
    );
    const one = held();
    const refused = lives.leave(name, true, () => one.work());
    one.end();
    await refused;
  });
});

describe("a removal that is finished later", () => {
  const options = { namespace };
  /** One whose task is deleted when the test says so. */
  async function leaving(h: Harness) {
    await h.client(Engine).createContainer({ id: "x", image: "tiny" }, options);
    await h.client(Engine).createTask({ id: "x" }, options);
    await h.client(Tasks).start({ containerId: "x" }, options);
    h.runtime.task(namespace, "x").end(0);
    const gate = held();
    const remove = h.runtime.tasks.delete;
    h.runtime.tasks.delete = async (...args) => {
      await gate.work();
      return await remove(...args);
    };
    await h.client(Engine).removeContainer({ id: "x", force: true, finishLater: true }, options);
    return gate;
  }
  const looks: readonly [what: string, look: (h: Harness) => Promise<unknown>, seen: unknown][] = [
    [
      "berth's list",
      async (h) =>
        (await Array.fromAsync(h.client(Engine).listContainers({}, options))).flatMap((part) => part.containers),
      [],
    ],
    ["containerd's list", async (h) => (await h.client(Containers).list({}, options)).containers, []],
    ["the list of tasks", async (h) => (await h.client(Tasks).list({}, options)).tasks, []],
    [
      "the list of snapshots",
      async (h) =>
        (
          await Array.fromAsync(h.client(Snapshots).list({ snapshotter: "native", filters: ["kind==active"] }, options))
        ).flatMap((part) => part.info),
      [],
    ],
    [
      "inspect",
      async (h) => kindOf(await failure(h.client(Engine).inspectContainer({ id: "x" }, options))),
      "not-found",
    ],
    ["get", async (h) => kindOf(await failure(h.client(Containers).get({ id: "x" }, options))), "not-found"],
    [
      "another removal",
      async (h) => kindOf(await failure(h.client(Engine).removeContainer({ id: "x" }, options))),
      "not-found",
    ],
    [
      "another of its name",
      async (h) => (await h.client(Engine).createContainer({ id: "x", image: "tiny" }, options)).id,
      "x",
    ],
    [
      "the namespace's removal",
      async (h) => kindOf(await failure(h.client(Namespaces).delete({ name: namespace }))),
      // An image's snapshot is there; no container any more.
      "failed-precondition",
    ],
  ];
  for (const [what, look, seen] of looks)
    it(`is waited for by ${what}`, async () => {
      await using h = await startHarness();
      const gate = await leaving(h);
      await gate.begun;
      assert.equal(h.store.unfinished.get(scope, "x"), "remove");
      let isOver = false;
      const looking = look(h).finally(() => (isOver = true));
      for (let turn = 0; turn < 10; turn++) await new Promise((next) => setImmediate(next));
      assert.equal(isOver, false);
      gate.end();
      assert.deepEqual(await looking, seen);
      assert.deepEqual(h.store.unfinished.list(), []);
    });

  it("is finished by the next start where berthd ends in between, and waited for there", async () => {
    await using h = await startHarness();
    const gate = await leaving(h);
    await gate.begun;
    const lives = createLives();
    const finishing = finishSteps({ ...h.engine, lives }, silent);
    const left = lives.left({ namespace }).then(() => h.store.containers.find(scope, "x"));
    gate.end();
    assert.equal(await left, null);
    await finishing;
  });

  it("refuses at once what cannot go", async () => {
    await using h = await startHarness();
    const { removeContainer, createContainer, createTask } = h.client(Engine);
    const later = { id: "x", finishLater: true };
    assert.equal(kindOf(await failure(removeContainer(later, options))), "not-found");
    await createContainer({ id: "x", image: "tiny" }, options);
    await createTask({ id: "x" }, options);
    await h.client(Tasks).start({ containerId: "x" }, options);
    assert.equal(kindOf(await failure(removeContainer(later, options))), "failed-precondition");
    assert.deepEqual(h.store.unfinished.list(), []);
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
