// Every target for a few seconds, or longer in the long tier. A failure tells the seed that repeats it.
import assert from "node:assert/strict";
import { it } from "node:test";
import { createRandom } from "./random.ts";
import { runTarget } from "./target.ts";
import { targets } from "./targets.ts";

const seconds = process.env.BERTH_LONG ? 120 : 3;

for (const target of targets) {
  const seed = Math.floor(Math.random() * 2 ** 32);
  it(`${target.name}: nothing breaks, leaks or hangs in ${seconds} s (seed ${seed})`, async () => {
    assert.ok((await runTarget(target, createRandom(seed), seconds)) > 0);
  });
}
