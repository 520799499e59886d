import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PullPart } from "@berth/proto/berth/v1";
import { PullState } from "../src/print/pull-state.ts";

const MIB = 1 << 20;
const digest = (at: number): string => `sha256:${String(at).repeat(64)}`;
const layer = (at: number, state: string, offset: number, size = 4 * MIB, more: Partial<PullPart> = {}): PullPart => ({
  digest: digest(at),
  kind: "layer",
  state,
  offset,
  size,
  wasHere: false,
  ...more,
});
const progress = (parts: PullPart[], received = 0, host = "mirror.example") => ({
  stage: "fetching",
  host,
  received,
  parts,
});

describe("what is said of a pull", () => {
  it("begins with its name, before anybody has answered", () => {
    const state = new PullState(0, "pull");
    state.take(progress([], 0, ""), 0);
    assert.deepEqual(state.lines("alpine", 0, 24), ["alpine: resolving"]);
  });

  it("is a line for each layer, with its rate once that says something, and a total", () => {
    const state = new PullState(0, "pull");
    state.take(
      progress([
        layer(1, "waiting", 0),
        layer(2, "waiting", 0),
        layer(3, "fetched", 4 * MIB, 4 * MIB, { wasHere: true }),
      ]),
      0,
    );
    state.take(progress([layer(1, "fetching", MIB), layer(2, "unpacking", 4 * MIB)]), 1_000);
    state.take(progress([layer(1, "fetching", 2 * MIB)]), 2_000);
    assert.deepEqual(state.lines("alpine", 2_000, 24), [
      "alpine from mirror.example",
      " 111111111111  [==========>         ] 2.00 MiB of 4.00 MiB fetching, 1.00 MiB/s, 2 seconds left",
      " 222222222222  [====================] 4.00 MiB unpacking",
      " 333333333333  [====================] 4.00 MiB here",
      " total         [================>   ] 10.0 MiB of 12.0 MiB, 512 KiB/s, 4 seconds left, 0 of 3 layers done",
    ]);
  });

  it("leaves out those that have nothing to say where the screen is short", () => {
    const state = new PullState(0, "pull");
    const parts = Array.from({ length: 9 }, (_, at) => layer(at, at < 7 ? "done" : "fetching", MIB));
    state.take(progress(parts), 0);
    const lines = state.lines("alpine", 0, 6);
    assert.equal(lines.length, 6);
    assert.ok(lines.some((line) => line.includes("888888888888")));
    assert.equal(lines.at(-2), " and 6 more");
    assert.match(lines.at(-1) ?? "", /7 of 9 layers done$/);
  });

  it("says which parts have come to another state", () => {
    const state = new PullState(0, "pull");
    const states = (parts: PullPart[]) => state.take(progress(parts), 0).map((part) => part.state);
    assert.deepEqual(states([layer(1, "fetching", 0)]), ["fetching"]);
    assert.deepEqual(states([layer(1, "fetching", 5)]), []);
    assert.deepEqual(states([layer(1, "done", MIB)]), ["done"]);
  });

  it("ends with one line: what was moved, from where and how long it took", () => {
    const state = new PullState(1_000, "pull");
    state.take(progress([layer(1, "done", 4 * MIB)], 3 * MIB), 2_000);
    assert.equal(
      state.summary("alpine", digest(9), 3_500),
      `alpine@${digest(9)}: 3.00 MiB fetched from mirror.example, in 2.5 s`,
    );
    const there = new PullState(0, "push");
    there.take(progress([layer(1, "there", 4 * MIB)]), 0);
    assert.equal(there.summary("alpine", digest(9), 100), `alpine@${digest(9)}: all of it was there, in 0.1 s`);
  });

  it("has nothing in it that a terminal would obey", () => {
    const state = new PullState(0, "pull");
    state.take(progress([], 0, "evil\u001b[2J"), 0);
    assert.ok(!state.lines("a\u0007b", 0, 24).join("").includes("\u001b"));
    assert.ok(!state.summary("a\u0007b", digest(1), 0).includes("\u0007"));
  });
});
