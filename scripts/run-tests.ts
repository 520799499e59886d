// Runs the tests below test/ with node's runner, one file at a time: they use cgroups, mounts and timing of
// one machine. Arguments choose files by a part of their path.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { resolve } from "node:path";

const top = resolve(import.meta.dirname, "..");
const wanted = process.argv.slice(2);
const files = readdirSync(resolve(top, "test"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts"))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort()
  .map((file) => resolve(top, "test", file));
if (files.length === 0) {
  console.error(`no test file below test/ has ${wanted.join(" or ")} in its path`);
  process.exit(2);
}
const result = spawnSync(
  process.execPath,
  [
    "--test",
    "--test-concurrency=1",
    `--test-timeout=${process.env.BERTH_LONG ? 7_200_000 : 600_000}`,
    "--test-reporter=spec",
    ...files,
  ],
  { cwd: top, stdio: "inherit" },
);
process.exit(result.status ?? 1);
