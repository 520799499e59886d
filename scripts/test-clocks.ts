// Keeps the clock out of the tests: how long something takes is the machine's business, and a test that asserts on it
// fails on a busy one. What only compares figures of one run (a ratio, an order) says so: `// clock: WHY` on the line
// or the one before.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const top = resolve(import.meta.dirname, "..");
const allowed = /\/\/ clock: \S/;
const reading = /\b(?:performance\.now|Date\.now|process\.hrtime(?:\.bigint)?|process\.uptime)\(\)|\bnew Date\(\)/;
/** A reading less an earlier one; less a constant it is a point in time. */
const difference = new RegExp(`(?:${reading.source})\\s*-\\s*[a-z]`);
const naming = /\b(?:const|let)\s+(\w+)(?::\s*\w+)?\s*=\s*([^;]*)/g;
const asserting = /\bassert(?:\.\w+)?\(/;

function filesOf(folder: string): string[] {
  return readdirSync(join(top, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(top, folder, file));
}

function* problemsIn(path: string): Generator<string> {
  const text = readFileSync(path, "utf8");
  if (!reading.test(text)) return;
  const lines = text.split("\n");
  const names = readingsNamedIn(text);
  for (const [at, line] of lines.entries()) {
    const problem = judge(line, statementAt(lines, at), names);
    if (problem === null || allowed.test(line) || allowed.test(lines[at - 1] ?? "")) continue;
    yield `${relative(top, path)}:${at + 1}: ${problem}`;
  }
}

/** Names of what is read from a clock, or is a difference from it. */
function readingsNamedIn(text: string): Set<string> {
  const names = new Set<string>();
  for (const [, name = "", value = ""] of text.matchAll(naming))
    if (!/=>|\bfunction\b/.test(value) && (reading.test(value) || (value.includes(" - ") && mentions(value, names))))
      names.add(name);
  return names;
}

const mentions = (text: string, names: ReadonlySet<string>): boolean =>
  (text.match(/(?<![.\w])\w+\b/g) ?? []).some((word) => names.has(word));

function judge(line: string, statement: string, names: ReadonlySet<string>): string | null {
  if (difference.test(line)) return "measures how long something takes";
  if (!asserting.test(line)) return null;
  return reading.test(statement) || mentions(statement, names) ? "asserts on what a clock says" : null;
}

/** From a line to the end of its statement. */
function statementAt(lines: readonly string[], from: number): string {
  const end = lines.findIndex((line, at) => at >= from && line.trimEnd().endsWith(";"));
  return lines.slice(from, end === -1 ? undefined : end + 1).join("\n");
}

const tests = readdirSync(join(top, "packages"))
  .map((name) => `packages/${name}/test`)
  .filter((folder) => existsSync(join(top, folder)));
const problems = ["test", ...tests].flatMap(filesOf).flatMap((file) => [...problemsIn(file)]);
for (const problem of problems) console.error(problem);
console.log(`clocks in tests: ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
