// Every target with some inputs, or many in the long tier. A failure tells the seed that repeats it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRandom } from "./random.ts";
import { runTarget, type Target } from "./target.ts";
import { targets } from "./targets.ts";

const factor = process.env.BERTH_LONG ? 40 : 1;

for (const target of targets) {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const inputs = target.inputs * factor;
  it(`${target.name}: nothing breaks, leaks or hangs in ${inputs} inputs (seed ${seed})`, async () => {
    assert.ok((await runTarget(target, createRandom(seed), { inputs })) >= inputs);
  });
}

describe("a run", () => {
  const counting: Target = {
    name: "counting",
    inputs: 3,
    async run({ more }) {
      let count = 0;
      while (more(count)) count++;
      return count;
    },
  };
  it("has as many inputs as it was told", async () => {
    assert.equal(await runTarget(counting, createRandom(1), { inputs: 3 }), 3);
  });
  it("fails when its target has tried nothing", async () => {
    const idle: Target = { ...counting, run: async () => 0 };
    await assert.rejects(runTarget(idle, createRandom(1), { seconds: 1 }), ({ cause }: Error) => {
      assert.match(String(cause), /it was given no input/);
      return true;
    });
  });
});
