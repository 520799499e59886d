// Holds the size, memory and start-up cost of the small programs against scripts/sizes.json, so that growth is
// seen when it is made. `--write` measures and writes the table anew. No clock decides: how long a start takes is the
// machine's business, which the benchmark measures.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { memoryOf } from "./bench/memory.ts";
import { idleShim } from "./idle-shim.ts";

const top = resolve(import.meta.dirname, "..");
const tablePath = join(top, "scripts/sizes.json");

interface Row {
  /** Of the executable. */
  bytes: number;
  /** kB at `sleep` below, of an idle process (proc_pid_smaps_rollup). */
  rssKb?: number;
  ussKb?: number;
  /** Minor page faults from its start to its end (`-v` or `--help`): the memory that a start touches. */
  startFaults: number;
}

const tolerance = { bytes: 1.05, rssKb: 1.08, ussKb: 1.12, startFaults: 1.08 } as const;
const STARTS = 15;

const programs: readonly { name: string; version: string[] }[] = [
  { name: "containerd-shim-berth-v2", version: ["-v"] },
  { name: "berth", version: ["-v"] },
  { name: "berth-unpack", version: ["--help"] },
  { name: "berth-launch", version: ["--help"] },
];

/** Minor faults of the children that this process has waited for (proc_pid_stat(5)). */
const faultsOfChildren = (): number => Number(readFileSync("/proc/self/stat", "latin1").split(") ")[1]?.split(" ")[8]);

/** Median over some starts: it varies by a page or two. */
function startFaults(path: string, args: readonly string[]): number {
  const faults = Array.from({ length: STARTS }, () => {
    const before = faultsOfChildren();
    const result = spawnSync(path, args, { stdio: "ignore", env: {} });
    if (result.error !== undefined) throw result.error;
    return faultsOfChildren() - before;
  }).sort((a, b) => a - b);
  return faults[STARTS >> 1] ?? Number.NaN;
}

/** Memory of a shim without a container, with two others beside it that share its pages. */
async function shimMemory(path: string): Promise<{ rssKb: number; ussKb: number }> {
  await using shim = await idleShim(path);
  await using _second = await idleShim(path);
  await using _third = await idleShim(path);
  const { rss, uss } = memoryOf(shim.pid);
  return { rssKb: rss, ussKb: uss };
}

async function measure(): Promise<Record<string, Row>> {
  const rows: Record<string, Row> = {};
  for (const { name, version } of programs) {
    const path = join(top, "dist/bin", name);
    const row: Row = { bytes: statSync(path).size, startFaults: startFaults(path, version) };
    if (name === "containerd-shim-berth-v2") Object.assign(row, await shimMemory(path));
    rows[name] = row;
  }
  return rows;
}

for (const { name } of programs) {
  if (!existsSync(join(top, "dist/bin", name))) {
    console.error(`dist/bin/${name} is not there: npm run build`);
    process.exit(1);
  }
}
const rows = await measure();
if (process.argv.includes("--write")) {
  writeFileSync(tablePath, `${JSON.stringify(rows, null, 2)}\n`);
  console.log(rows);
  process.exit(0);
}
const table = JSON.parse(readFileSync(tablePath, "utf8")) as Record<string, Row>;
let problems = 0;
for (const [name, row] of Object.entries(rows)) {
  for (const [key, factor] of Object.entries(tolerance) as [keyof Row, number][]) {
    const is = row[key];
    const was = table[name]?.[key];
    if (is === undefined || (was === undefined && table[name] !== undefined)) continue;
    if (was === undefined || is > was * factor) {
      problems++;
      console.error(`${name}: ${key} is ${is}, the table says ${was}: shrink it, or node scripts/sizes.ts --write`);
    }
  }
}
console.log(`sizes: ${problems} problems`);
process.exit(problems === 0 ? 0 : 1);
