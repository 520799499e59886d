import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Exit } from "../src/index.ts";
import { advance, exitIn, type LifeStage, type TaskLife } from "../src/task-life.ts";

const exit: Exit = { pid: 1, status: 7, at: 1n };
const lives: Readonly<Record<LifeStage, TaskLife>> = {
  alive: { at: "alive" },
  ended: { at: "ended", exit },
  told: { at: "told", exit },
  leaving: { at: "leaving", exit },
  gone: { at: "gone", exit, execStatus: 137 },
  left: { at: "left" },
};
const stages = Object.keys(lives) as LifeStage[];
const legal = ["alive ended", "alive told", "alive leaving", "alive left", "ended told", "ended leaving"].concat(
  "ended left",
  "told leaving",
  "told left",
  "leaving gone",
);

describe("a task's life", () => {
  for (const from of stages)
    for (const to of stages) {
      const allowed = legal.includes(`${from} ${to}`);
      it(`${from} to ${to}: ${allowed ? "moves" : "is refused"}`, () => {
        const move = () => advance(lives[from], lives[to]);
        if (allowed) assert.equal(move(), lives[to]);
        else assert.throws(move, new RegExp(`^Error: a task that is ${from} cannot become ${to}$`));
      });
    }
  it("knows of an exit from its end on", () => {
    assert.deepEqual(
      stages.map((at) => exitIn(lives[at])),
      [null, exit, exit, exit, exit, null],
    );
  });
});
