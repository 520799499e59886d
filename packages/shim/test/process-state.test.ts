import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kindOf } from "@berth/base";
import { type At, advance, allow, type ProcessState, refusals, type Verb } from "@berth/shim";

const states: Readonly<Record<At, ProcessState>> = {
  created: { at: "created", pid: 1 },
  running: { at: "running", pid: 1 },
  paused: { at: "paused", pid: 1 },
  stopped: { at: "stopped", pid: 1, status: 0, exitedAt: 1 },
  deleted: { at: "deleted", pid: 1, status: 0, exitedAt: 1 },
};
const legal = ["created running", "created stopped", "created deleted", "running paused", "running stopped"].concat(
  "paused running",
  "paused stopped",
  "stopped deleted",
);

describe("process state", () => {
  for (const from of Object.keys(states) as At[])
    for (const to of Object.keys(states) as At[]) {
      const allowed = legal.includes(`${from} ${to}`);
      it(`${from} to ${to}: ${allowed ? "moves" : "is refused"}`, () => {
        const move = () => advance(states[from], states[to]);
        if (allowed) assert.equal(move(), states[to]);
        else assert.throws(move, /cannot become/);
      });
    }
  for (const [verb, at, text] of [
    ["delete", "running", "cannot delete a running process"],
    ["start", "running", "cannot start a running process"],
    ["pause", "created", "cannot pause task in created state"],
    ["resume", "running", "cannot resume a running process"],
    ["exec", "stopped", "cannot exec in a stopped state"],
  ] as const)
    it(`${verb} while ${at} says what containerd says, as an unknown error`, () => {
      assert.throws(
        () => allow("init", states[at], verb),
        (error: Error) => error.message === text && kindOf(error) === "unknown",
      );
    });
  it("a deleted process is not found", () => {
    assert.throws(
      () => allow("init", states.deleted, "delete"),
      (error: Error) => kindOf(error) === "not-found",
    );
  });
  it("allows what no table refuses", () => {
    for (const at of Object.keys(states) as At[])
      for (const verb of ["start", "delete", "kill", "pause", "resume", "update", "exec"] as Verb[])
        if (refusals.init[at][verb] === undefined) assert.doesNotThrow(() => allow("init", states[at], verb));
  });
});
