// Runs the tests below test/ with node's runner, and says how far it is. Arguments choose files by a part of their
// path. Most use cgroups, mounts and names of one machine, and run one file at a time.
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { progressOf } from "./progress.ts";
import { totals } from "./totals.ts";

/** Folders whose files keep to directories of their own: two of them run at a time. */
const together = ["contract/", "fuzz/", "host/", "images/", "interop/", "store/", "unpack/"];
/** Of one file; only what hangs takes so long. */
const HANG_MS = process.env.BERTH_LONG ? 7_200_000 : 1_200_000;

const top = resolve(import.meta.dirname, "..");
const wanted = process.argv.slice(2);
const names = readdirSync(resolve(top, "test"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts"))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();
if (names.length === 0) {
  console.error(`no test file below test/ has ${wanted.join(" or ")} in its path`);
  process.exit(2);
}
const [pairs, alone] = [names.filter(runsTogether), names.filter((name) => !runsTogether(name))].map((group) =>
  group.map((name) => resolve(top, "test", name)),
);
using progress = progressOf([...(pairs ?? []), ...(alone ?? [])], top, (line) => console.log(line));
const sums = totals();
const reporter = new spec();
reporter.pipe(process.stdout);

for (const { files = [], concurrency } of [
  { files: pairs, concurrency: 2 },
  { files: alone, concurrency: 1 },
]) {
  if (files.length === 0) continue;
  const stream = run({ files, concurrency, timeout: HANG_MS, cwd: top });
  progress.follow(stream);
  stream.on("test:fail", ({ todo }) => {
    if (todo === undefined || todo === false) process.exitCode = 1;
  });
  for await (const event of stream) if (!sums.take(event)) reporter.write(event);
}
for (const event of sums.events()) reporter.write(event);
reporter.end();

function runsTogether(name: string): boolean {
  return together.some((folder) => name.startsWith(folder));
}
