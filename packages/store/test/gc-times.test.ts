// When collections run: containerd's scheduler (gc/scheduler), whose looks are here only where they matter.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultGcSchedule, type GcSchedule } from "../src/gc/schedule.ts";
import { CollectionTimes } from "../src/gc/times.ts";

/** Times with a collection of one millisecond behind them, which ended at 1000: looks come every 49 ms. */
function afterFirst(schedule: Partial<GcSchedule> = {}): CollectionTimes {
  const times = new CollectionTimes({ ...defaultGcSchedule, ...schedule }, 0);
  times.began();
  times.collected(999, 1000);
  return times;
}

describe("a collection", () => {
  it("runs after the start, whether it is needed or not", () => {
    assert.equal(new CollectionTimes(defaultGcSchedule, 5).next, 105);
  });

  it("is not needed again as long as nothing changes", () => assert.equal(afterFirst().next, null));

  it("follows a deletion at the next look, although the threshold of deletions is 0", () => {
    const times = afterFirst();
    times.changed("deletion", 1010);
    assert.equal(times.next, 1049);
    times.changed("deletion", 1020);
    assert.equal(times.next, 1049);
  });

  it("follows a deletion that came while the last one ran", () => {
    const times = afterFirst();
    times.began();
    times.changed("deletion", 1995);
    times.collected(1999, 2000);
    assert.equal(times.next, 2049);
  });

  it("follows a deletion long after the last one within the pause between looks", () => {
    const times = afterFirst();
    times.changed("deletion", 100_000);
    const { next } = times;
    assert.ok(next !== null && next >= 100_000 && next < 100_049, String(next));
  });

  it("does not wait for a look once the threshold of deletions is reached", () => {
    const times = afterFirst({ deletionThreshold: 2, scheduleDelayMs: 5 });
    times.changed("deletion", 1001);
    assert.equal(times.next, 1049);
    times.changed("deletion", 1002);
    assert.equal(times.next, 1007);
  });

  it("follows a hundred changes without a deletion, and not fewer", () => {
    const times = afterFirst();
    for (let count = 0; count < 99; count++) times.changed("mutation", 1001);
    assert.equal(times.next, null);
    times.changed("mutation", 1050);
    assert.equal(times.next, 1098);
  });

  it("never follows changes alone where their threshold is 0", () => {
    const times = afterFirst({ mutationThreshold: 0 });
    for (let count = 0; count < 1000; count++) times.changed("mutation", 1001);
    assert.equal(times.next, null);
  });

  it("follows a trigger after the schedule's delay, and a later one does not put it off", () => {
    const times = afterFirst({ scheduleDelayMs: 30 });
    times.trigger(1001);
    times.trigger(1010);
    assert.equal(times.next, 1031);
  });

  it("follows the first deletion at once where there was none at the start", () => {
    const times = new CollectionTimes({ ...defaultGcSchedule, startupDelayMs: 0 }, 0);
    assert.equal(times.next, null);
    times.changed("mutation", 10);
    assert.equal(times.next, null);
    times.changed("deletion", 20);
    assert.equal(times.next, 20);
  });

  it("leaves the others their share of the time, by the average of what collections take", () => {
    const times = afterFirst({ pauseThreshold: 0.5 });
    times.collected(2000, 2009);
    times.changed("deletion", 2009);
    // 1 and 9 ms: 5 on average, and half of the time is theirs.
    assert.equal(times.next, 2014);
  });

  it("is looked for every second where it has no share to keep to", () => {
    const times = afterFirst({ pauseThreshold: 0 });
    times.changed("deletion", 1500);
    assert.equal(times.next, 2000);
  });

  it("is tried again a second later than the next look where it has failed", () => {
    const times = afterFirst();
    times.failed(2000);
    assert.equal(times.next, 3049);
  });
});
