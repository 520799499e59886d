// Holds the size, memory and start-up time of the small programs against scripts/sizes.json, so that growth is
// seen when it is made. `--write` measures and writes the table anew.
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
  /** Median of `-v`, milliseconds; compared with a wide tolerance because machines are noisy. */
  startMs: number;
}

const tolerance = { bytes: 1.05, rssKb: 1.08, ussKb: 1.12, startMs: 4 } as const;

const programs: readonly { name: string; version: string[] }[] = [
  { name: "containerd-shim-berth-v2", version: ["-v"] },
  { name: "berth", version: ["--help"] },
  { name: "berth-unpack", version: ["--help"] },
  { name: "berth-launch", version: ["--help"] },
];

function startMs(path: string, args: readonly string[]): number {
  const times = Array.from({ length: 15 }, () => {
    const started = performance.now();
    const result = spawnSync(path, args, { stdio: "ignore" });
    if (result.error !== undefined) throw result.error;
    return performance.now() - started;
  }).sort((a, b) => a - b);
  return times[7] ?? 0;
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
    const row: Row = { bytes: statSync(path).size, startMs: Math.round(startMs(path, version) * 10) / 10 };
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
