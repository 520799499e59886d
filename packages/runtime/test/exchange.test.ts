import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kindOf, silent, systemClock } from "@berth/base";
import { packAny, toNanoseconds, topics } from "@berth/proto";
import { ContainerUpdate, TaskOOM, TaskStart } from "@berth/proto/containerd/events";
import { eventField } from "../src/event-field.ts";
import { createExchange, type Envelope } from "../src/index.ts";

const never = new AbortController().signal;
const oom = packAny(TaskOOM, { containerId: "web" });
const open = (limits: { queueLimit?: number; queueBytes?: number; allQueuesBytes?: number } = {}) =>
  createExchange({ clock: systemClock, log: silent, ...limits });

describe("the exchange", () => {
  it("gives each event to everybody who listens, in order, from the moment of subscribing", async () => {
    const exchange = open();
    exchange.publish("ns", "/before/it", oom);
    const first = exchange.subscribe([], never)[Symbol.asyncIterator]();
    const second = exchange.subscribe([], never)[Symbol.asyncIterator]();
    exchange.publish("ns", "/a/b", oom);
    exchange.publish("ns", "/c/d", oom);
    for (const events of [first, second]) {
      assert.equal((await events.next()).value?.topic, "/a/b");
      assert.equal((await events.next()).value?.topic, "/c/d");
    }
  });

  it("gives a subscriber what its filters want, and refuses a filter that is none", async () => {
    const exchange = open();
    const filters = ['topic=="/a/b",event.container_id==web', "topic~=^/c/"];
    const events = exchange.subscribe(filters, never)[Symbol.asyncIterator]();
    exchange.publish("ns", "/a/b", packAny(TaskOOM, { containerId: "other" }));
    exchange.publish("ns", "/a/b", oom);
    exchange.publish("ns", "/x/y", oom);
    exchange.publish("ns", "/c/d", oom);
    assert.equal((await events.next()).value?.topic, "/a/b");
    assert.equal((await events.next()).value?.topic, "/c/d");
    assert.throws(
      () => exchange.subscribe(["=="], never),
      (error) => kindOf(error) === "invalid-argument",
    );
  });

  it("ends a subscription with its signal", async () => {
    const exchange = open();
    const stop = new AbortController();
    const events = exchange.subscribe([], stop.signal)[Symbol.asyncIterator]();
    const waiting = events.next();
    stop.abort();
    assert.equal((await waiting).done, true);
    exchange.publish("ns", "/a/b", oom);
    assert.equal((await events.next()).done, true);
  });

  const big = { typeUrl: "x.Big", value: new Uint8Array(1 << 20) };
  const isCutOff = (error: unknown) => kindOf(error) === "resource-exhausted";

  it("cuts off a subscriber that leaves too many bytes unread, but gives it one event of any size", async () => {
    const exchange = open({ queueBytes: 2.5 * (1 << 20) });
    const events = exchange.subscribe([], never)[Symbol.asyncIterator]();
    exchange.publish("ns", "/a/b", { typeUrl: "x.Big", value: new Uint8Array(4 << 20) });
    assert.equal((await events.next()).value?.event.value.length, 4 << 20);
    for (let round = 0; round < 3; round++) {
      for (let count = 0; count < 2; count++) exchange.publish("ns", "/a/b", big);
      for (let count = 0; count < 2; count++) assert.equal((await events.next()).done, false);
    }
    for (let count = 0; count < 3; count++) exchange.publish("ns", "/a/b", big);
    await assert.rejects(events.next(), isCutOff);
  });

  it("cuts off the subscriber that has most unread when all together have too much", async () => {
    const exchange = open({ allQueuesBytes: 4.5 * (1 << 20) });
    const few = exchange.subscribe(['topic=="/few/big"'], never)[Symbol.asyncIterator]();
    const many = exchange.subscribe([], never)[Symbol.asyncIterator]();
    exchange.publish("ns", "/few/big", big);
    for (let count = 0; count < 3; count++) exchange.publish("ns", "/many/big", big);
    await assert.rejects(many.next(), isCutOff);
    assert.equal((await few.next()).value?.topic, "/few/big");
  });

  it("cuts off a subscriber that does not read, and no other", async () => {
    const exchange = open({ queueLimit: 3 });
    const lazy = exchange.subscribe([], never)[Symbol.asyncIterator]();
    const keen = exchange.subscribe([], never)[Symbol.asyncIterator]();
    for (let count = 0; count < 5; count++) {
      const read = keen.next();
      exchange.publish("ns", "/a/b", oom);
      assert.equal((await read).done, false);
    }
    await assert.rejects(lazy.next(), (error) => kindOf(error) === "resource-exhausted");
    assert.equal((await lazy.next()).done, true);
  });

  const bad: [what: string, change: Partial<Envelope>][] = [
    ["no namespace", { namespace: "" }],
    ["a malformed namespace", { namespace: "a b" }],
    ["no topic", { topic: "" }],
    ["a topic without a slash", { topic: "tasks/exit" }],
    ["a topic with nothing in it", { topic: "/" }],
    ["a topic with an empty part", { topic: "/tasks//exit" }],
    ["no time", { timestamp: 0n }],
    ["Go's zero time", { timestamp: toNanoseconds({ seconds: -62_135_596_800, nanos: 0 }) }],
  ];
  for (const [what, change] of bad)
    it(`does not forward an event with ${what}`, () => {
      const event = { timestamp: systemClock.now(), namespace: "ns", topic: "/a/b", event: oom, ...change };
      assert.throws(
        () => open().forward(event),
        (error) => kindOf(error) === "invalid-argument",
      );
    });
});

describe("a field of an event", () => {
  const envelope = (event: Envelope["event"]): Envelope => ({
    timestamp: systemClock.now(),
    namespace: "ns",
    topic: topics.taskOom,
    event,
  });
  const update = packAny(ContainerUpdate, { id: "web", labels: { "a.b": "c" }, snapshotKey: "key" });
  const cases: [Envelope["event"], string, string | null][] = [
    [oom, "topic", "/tasks/oom"],
    [oom, "namespace", "ns"],
    [oom, "event.container_id", "web"],
    [oom, "event.no_such", null],
    [oom, "event", null],
    [oom, "timestamp", null],
    [update, "event.snapshot_key", "key"],
    [update, "event.labels.a.b", "c"],
    [update, "event.labels.constructor", null],
    [update, "event.labels", null],
    [packAny(TaskStart, { containerId: "web", pid: 7 }), "event.pid", null],
    [{ typeUrl: "unknown.Type", value: new Uint8Array([1]) }, "event.container_id", null],
    [{ typeUrl: TaskOOM.typeName, value: new Uint8Array([255]) }, "event.container_id", null],
  ];
  for (const [event, path, value] of cases)
    it(`${path} of ${event.typeUrl} is ${value}`, () =>
      assert.equal(eventField(envelope(event), path.split(".")), value));
});
