// What a program does from outside: how it ends, what it says, what it costs.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { buildProgram } from "../build.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-program-"));
const entry = join(import.meta.dirname, "programs/endings.ts");
let release = "";
let debug = "";

/** Of a program that waits: measured 2.1 MB, of which most is the executable's text, shared by all. */
const MAX_RSS_KB = 2400;
const MAX_PRIVATE_KB = 400;

before(async () => {
  release = await buildProgram({ entry, name: "endings", outDir: join(folder, "release"), variant: "release" });
  debug = await buildProgram({ entry, name: "endings", outDir: join(folder, "debug"), variant: "debug" });
});
after(() => rmSync(folder, { recursive: true, force: true }));

const outcome = (program: string, ending: string, input = "") => {
  const { status, stdout, stderr } = spawnSync(program, [ending], { input, encoding: "utf8", timeout: 60_000 });
  return { status, stdout, stderr };
};

describe("a program", () => {
  for (const [ending, status, stdout, stderr] of [
    ["nothing", 0, /^$/, /^$/],
    ["throws", 70, /^$/, /^uncaught Error: thrown at the top\n/],
    ["rejects", 70, /^$/, /^uncaught Error: rejected and forgotten\n/],
    ["handledLate", 0, /^caught\n$/, /^$/],
    ["timerThrows", 70, /^$/, /^uncaught Error: thrown in a timer\n/],
    ["handler", 3, /^handler: told\n$/, /^$/],
    ["recovers", 0, /^went on after: first\nstill there\n$/, /^$/],
    ["exits", 42, /^$/, /^$/],
    ["forks", 0, /^parent saw the end: 0\n$/, /^$/],
    ["recurses", 0, /^(RangeError|InternalError): .*\n$/, /^$/],
    ["exhausts", 0, /^2\d\d MiB, then InternalError: out of memory\n$/, /^$/],
    ["other", 2, /^$/, /^no ending named other\n$/],
  ] as const) {
    it(`that ${ending} ends with ${status}`, () => {
      const result = outcome(release, ending);
      assert.match(result.stderr, stderr);
      assert.match(result.stdout, stdout);
      assert.equal(result.status, status);
    });
  }

  it("gives up all capabilities but those it keeps, for good", { skip: process.getuid?.() !== 0 }, () => {
    const { stdout } = outcome(release, "drops");
    for (const set of ["CapPrm", "CapEff", "CapBnd"]) assert.match(stdout, new RegExp(`^${set}:\\s+0*3$`, "m"));
    for (const set of ["CapInh", "CapAmb"]) assert.match(stdout, new RegExp(`^${set}:\\s+0+$`, "m"));
    assert.match(stdout, /^NoNewPrivs:\s+1$/m);
  });

  it("leaves a shared standard input as it found it", () => {
    const script = `printf hello | { "${release}" pumpsStdin; grep flags /proc/self/fdinfo/0; }`;
    const said = execFileSync("sh", ["-c", script], { encoding: "utf8" });
    assert.match(said, /^hello/);
    const flags = Number.parseInt(/flags:\s+(\d+)/.exec(said)?.[1] ?? "", 8);
    assert.equal(flags & 0o4000, 0);
  });

  it("has lines in the stack of its debug build", () => {
    assert.match(outcome(debug, "throws").stderr, /at throws \(endings:\d+:\d+\)/);
  });

  it("that imports a Node module is refused when it is built, by name", async () => {
    const bad = join(import.meta.dirname, "programs/uses-node.ts");
    await assert.rejects(
      buildProgram({ entry: bad, name: "bad", outDir: folder, variant: "release" }),
      /node:fs is part of Node and not there on the host: use @berth\/host \(imported by .*uses-node\.ts\)/,
    );
  });

  it("that keeps state in a unit is refused when it is built, with the name of the file", async () => {
    const bad = join(import.meta.dirname, "programs/unit-with-state.ts");
    await assert.rejects(
      buildProgram({ entry: bad, name: "bad", outDir: folder, variant: "release" }),
      /programs\/counted\.ts keeps state \(let c.*\) and is only in the unit .*programs\/counted\.ts/,
    );
  });

  it("is one static executable and takes little memory", async () => {
    assert.ok(statSync(release).size < 1.3e6);
    const child = spawn(release, ["pumpsStdin"], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.write("up\n");
    await new Promise((resolve) => child.stdout.once("data", resolve)); // it runs
    const rollup = readFileSync(`/proc/${child.pid}/smaps_rollup`, "utf8");
    const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(rollup)?.[1]);
    child.stdin.end();
    await new Promise((resolve) => child.once("close", resolve));
    assert.ok(kb("Rss") < MAX_RSS_KB, `RSS is ${kb("Rss")} kB`);
    // Not Private_Dirty: the pages of an executable that was just written count as that.
    assert.ok(kb("Anonymous") < MAX_PRIVATE_KB, `anonymous memory is ${kb("Anonymous")} kB`);
  });
});
