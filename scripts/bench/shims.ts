// The two shims under one containerd and one runc: what each weighs at rest, after many execs and with many containers,
// and what an exec through each takes. By itself: `node scripts/bench/shims.ts [rounds] [containers]`.
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ExecTimes, measureExecs, measureLoad, type Rhythm } from "./execs.ts";
import { endOnSignals, interruption } from "./interruption.ts";
import { buildLauncher, startLauncher } from "./launcher.ts";
import type { Memory } from "./memory.ts";
import { type Pair, startPair, type Who, whos } from "./pair.ts";
import { makePlace } from "./place.ts";
import { format, p99, ratios, sample } from "./statistics.ts";

export interface ShimsOptions {
  readonly shims: Pair<string>;
  /** The program that buildLauncher has built. */
  readonly launcher: string;
  /** Execs a side in each rhythm. */
  readonly rounds: number;
  /** Of execs of which several run at once. */
  readonly blocks: { readonly count: number; readonly execs: number };
  /** Containers that are there together, and more of them. */
  readonly few: number;
  readonly many: number;
}

export interface ShimFigures {
  /** One entry a shim, with few containers. */
  readonly idle: Pair<Memory[]>;
  readonly execs: Record<Rhythm, ExecTimes>;
  /** How many one shim of each kind has served, and what it weighs then, the others beside it. */
  readonly served: number;
  readonly afterExecs: Pair<Memory[]>;
  /** Of execs: how many a second and core, and milliseconds of processor time for each. */
  readonly load: { readonly perSecondAndCore: Pair<number[]>; readonly processorMs: Pair<number[]> };
  readonly together: Pair<Memory[]>;
}

/** Until shims have put away what they put away soon. */
const REST_MS = 2000;

export async function measureShims(options: ShimsOptions): Promise<ShimFigures> {
  const { shims, rounds, blocks, few, many } = options;
  await using place = makePlace();
  await using launcher = startLauncher(options.launcher);
  await using pair = await startPair({ shims, place, binary: "runc" });
  const ids = (who: Who, count: number) =>
    Array.from({ length: count }, (_, index) => `${place.name}-${who}-${count}-${index}`);
  const rest = () => sleep(REST_MS, undefined, { signal: interruption });

  const small = { ours: ids("ours", few), theirs: ids("theirs", few) };
  for (const who of whos) for (const id of small[who]) await pair.run(who, id);
  await rest();
  const idle = { ours: pair.memory("ours", small.ours), theirs: pair.memory("theirs", small.theirs) };

  const containers = { ours: small.ours[0] ?? "", theirs: small.theirs[0] ?? "" };
  const execs = await measureExecs({ pair, launcher, containers, rounds });
  await rest();
  const afterExecs = {
    ours: pair.memory("ours", [containers.ours]),
    theirs: pair.memory("theirs", [containers.theirs]),
  };
  const load = await measureLoad({ pair, place, containers, rounds: blocks.count, execs: blocks.execs });
  for (const who of whos) for (const id of small[who]) await pair.end(id);

  const together: Pair<Memory[]> = { ours: [], theirs: [] };
  for (const who of whos) {
    const large = ids(who, many);
    for (const id of large) await pair.run(who, id);
    await rest();
    together[who] = pair.memory(who, large);
    for (const id of large) await pair.end(id);
  }
  return { idle, execs, served: 2 * rounds, afterExecs, load, together };
}

if (import.meta.main) {
  endOnSignals();
  const [rounds = 50, many = 20] = process.argv.slice(2).map(Number);
  const ours = resolve(import.meta.dirname, "../../dist/bin/containerd-shim-berth-v2");
  const shims = { ours, theirs: realpathSync("/usr/bin/containerd-shim-runc-v2") };
  const folder = mkdtempSync("/run/berth-bench-");
  try {
    const launcher = await buildLauncher(folder);
    const figures = await measureShims({ shims, launcher, rounds, blocks: { count: 3, execs: 20 }, few: 10, many });
    const show = (what: string, { ours, theirs }: Pair<number[]>) =>
      console.log(what, format(sample(ours)), format(sample(theirs)), format(ratios(ours, theirs)));
    for (const [rhythm, times] of Object.entries(figures.execs)) {
      show(`exec ms, ${rhythm}`, times);
      show("the same / bare", { ours: times.ours, theirs: times.bare });
      console.log("p99", p99(times.ours), p99(times.theirs));
    }
    show("execs a second and core", figures.load.perSecondAndCore);
    show("processor ms an exec", figures.load.processorMs);
    for (const state of ["idle", "afterExecs", "together"] as const)
      console.log(state, figures[state].ours[0], figures[state].theirs[0]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
