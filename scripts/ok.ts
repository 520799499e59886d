// The quick gate: everything that can be said without real containers, in under a minute on an idle machine.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const top = resolve(import.meta.dirname, "..");
const node = process.execPath;
const bin = (name: string) => join(top, "node_modules/.bin", name);

/** Nothing of theirs outlives a test: they share one process, since starting Node is most of what they cost. */
const pure = ["base", "client", "engine", "proto", "rpc", "shim", "ttrpc"];
const packages = readdirSync(join(top, "packages"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const unitTestsOf = (names: readonly string[]): string[] =>
  names
    .flatMap((name) => {
      const folder = join(top, "packages", name, "test");
      try {
        return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => join(folder, file));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
        throw error;
      }
    })
    .filter((file) => file.endsWith(".test.ts"));

const test = ["--test", "--test-reporter=dot"];

type Step = readonly [name: string, command: string, args: readonly string[]];
const steps: readonly Step[] = [
  ["types", bin("tsc"), ["--noEmit"]],
  ["lint", bin("biome"), ["check", "--error-on-warnings"]],
  ["layers", node, ["scripts/layers.ts"]],
  ["what nobody uses", node, ["scripts/unused.ts"]],
  ["clocks in tests", node, ["scripts/test-clocks.ts"]],
  ["links in documents", node, ["scripts/links.ts"]],
  ["generated code", node, ["scripts/generate.ts", "--check"]],
  ["sizes", node, ["scripts/sizes.ts"]],
];
/** Beside each other: many of their tests wait. */
const tests: readonly Step[] = [
  ["unit tests of pure packages", node, [...test, "--test-isolation=none", ...unitTestsOf(pure)]],
  [
    "unit tests on the machine",
    node,
    [...test, "--test-concurrency=4", ...unitTestsOf(packages.filter((name) => !pure.includes(name)))],
  ],
];

function run(command: string, args: readonly string[]): Promise<{ status: number; output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: top, stdio: ["ignore", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", fail);
    child.on("close", (code) => done({ status: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

let failed = 0;
async function take([name, command, args]: Step): Promise<void> {
  const started = performance.now();
  const { status, output } = await run(command, args);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (status !== 0) {
    failed++;
    console.log(output);
  }
}
for (const step of steps) await take(step);
await Promise.all(tests.map(take));
process.exit(failed === 0 ? 0 : 1);
