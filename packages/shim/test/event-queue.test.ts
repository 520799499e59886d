import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEventQueue, type EventQueue } from "@berth/shim";

const event = (topic: string) => ({
  topic,
  at: 1,
  typeUrl: "t",
  value: new Uint8Array(0),
  exit: topic.startsWith("exit"),
});

function drain(queue: EventQueue): string[] {
  const out: string[] = [];
  for (let next = queue.peek(); next !== null; next = queue.peek()) {
    out.push(next.topic);
    queue.shift(next);
  }
  return out;
}

describe("event queue", () => {
  it("gives events back in their order", () => {
    const queue = createEventQueue(8);
    for (const topic of ["create", "start", "exit"]) queue.push(event(topic));
    assert.deepEqual(drain(queue), ["create", "start", "exit"]);
  });
  it("gives up the oldest that is no exit when it is full", () => {
    const queue = createEventQueue(3);
    for (const topic of ["exit1", "a", "b", "exit2", "c"]) queue.push(event(topic));
    assert.deepEqual(drain(queue), ["exit1", "exit2", "c"]);
    assert.equal(queue.takeDropped(), 2);
    assert.equal(queue.takeDropped(), 0);
  });
  it("never gives up the newest exit", () => {
    const queue = createEventQueue(2);
    for (const topic of ["exit1", "exit2", "exit3", "start"]) queue.push(event(topic));
    assert.deepEqual(drain(queue), ["exit2", "exit3"]);
  });
  it("does not take out another event than the one that was sent", () => {
    const queue = createEventQueue(1);
    queue.push(event("a"));
    const sent = queue.peek();
    queue.push(event("b"));
    if (sent) queue.shift(sent);
    assert.deepEqual(drain(queue), ["b"]);
  });
});
