// One suite on four pairs of daemon and shim. BERTH_PAIRS names those to run, as parts of their names with commas.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { messageOf } from "@berth/base";
import { hasContainerd } from "../support/containerd.ts";
import { cgroupsOf, processesNaming } from "../support/leftovers.ts";
import { areas } from "./areas.ts";
import { eventually } from "./expect.ts";
import { pairs } from "./pairs.ts";
import type { Area, Scenario } from "./scenario.ts";
import { openStage, openWorld, type Stage } from "./world.ts";

/** By pair: titles of scenarios that fail, and why. Shrinks only: one that passes must be taken out. */
const known: Record<string, Record<string, string>> = JSON.parse(
  readFileSync(join(import.meta.dirname, "known-differences.json"), "utf8"),
);
/** The long storm takes its time. */
const PATIENCE_MS = process.env.BERTH_LONG ? 1_800_000 : 120_000;
const wanted = (process.env.BERTH_PAIRS ?? "").split(",");

for (const pair of pairs.filter(({ name }) => wanted.some((part) => name.includes(part))))
  describe(pair.name, { skip: !hasContainerd() }, () => {
    const namespace = `sc${process.pid}-${pairs.indexOf(pair)}`;
    const counts = { passed: 0, failed: 0, different: 0 };
    const differences = known[pair.name] ?? {};
    let stage: Stage;

    before(async () => {
      stage = await openStage(pair, namespace);
    });
    after(async () => {
      const { passed, failed, different } = counts;
      console.log(`${pair.name}: ${passed} passed, ${failed} failed, ${different} known differences`);
      const { dir } = stage.daemon;
      await stage[Symbol.asyncDispose]();
      await eventually("no process is left", () => processesNaming(dir).length === 0);
      assert.deepEqual(cgroupsOf(namespace), [], "no cgroup is left");
      removeCgroups(namespace);
    });

    const check = async (title: string, { run }: Scenario): Promise<void> => {
      const difference = differences[title];
      try {
        await using world = openWorld(stage);
        await run(world);
      } catch (error) {
        if (difference === undefined) {
          counts.failed++;
          console.error(`${title}: the daemon's last words:\n${stage.daemon.log().slice(-3000)}`);
          throw error;
        }
        counts.different++;
        return;
      }
      if (difference !== undefined) {
        counts.failed++;
        assert.fail(`"${title}" passes: take it out of known-differences.json`);
      }
      counts.passed++;
    };
    const all = (some: readonly Area[]) => {
      for (const { name, scenarios } of some)
        for (const each of scenarios) {
          const title = `${name}: ${each.title}`;
          it(title, { timeout: PATIENCE_MS }, () => check(title, each));
        }
    };
    describe("together", { concurrency: 4 }, () => all(areas.filter(({ alone }) => !alone)));
    describe("one by one", () => all(areas.filter(({ alone }) => alone)));
  });

describe("the list of known differences", () => {
  it("names scenarios and pairs that there are, and none of the original", () => {
    const titles = new Set(areas.flatMap(({ name, scenarios }) => scenarios.map(({ title }) => `${name}: ${title}`)));
    for (const [pair, entries] of Object.entries(known)) {
      assert.ok(
        pairs.slice(1).some(({ name }) => name === pair),
        pair,
      );
      for (const title of Object.keys(entries)) assert.ok(titles.has(title), title);
    }
  });
});

function removeCgroups(namespace: string): void {
  const root = "/sys/fs/cgroup";
  for (const path of [join(root, namespace), ...readdirSync(root).map((name) => join(root, name, namespace))]) {
    try {
      rmdirSync(path);
    } catch (error) {
      if (!messageOf(error).includes("ENOENT")) throw error;
    }
  }
}
