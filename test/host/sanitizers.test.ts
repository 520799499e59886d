// Mistakes on purpose: a build with sanitizers reports each of them, so that its silence elsewhere means something.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { buildProgram, type Variant } from "../../packages/host/build.ts";
import { runOnHost } from "../../packages/host/run-on-host.ts";
import { unpackC } from "../../packages/unpack/own-c.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-planted-"));
const planted = (name: string) => join(import.meta.dirname, "planted", name);
/** As it is, and in a chroot, where the leak checker finds no /proc. */
const roots: readonly (readonly string[])[] = process.getuid?.() === 0 ? [[], [folder]] : [[]];
const inRoot = (root: readonly string[]) => (root.length > 0 ? ", in a chroot" : "");

const build = (variant: Variant, own = [planted("planted.c")]) =>
  buildProgram({
    entry: planted("main.ts"),
    name: "planted",
    outDir: join(folder, variant),
    variant,
    moreC: [...own, ...unpackC],
  });

after(() => rmSync(folder, { recursive: true, force: true }));

describe("a build with sanitizers", () => {
  let program = "";
  before(async () => {
    program = await build("asan");
  });
  const run = (...args: string[]) => {
    const env = { ...process.env, ASAN_OPTIONS: "", LSAN_OPTIONS: "", UBSAN_OPTIONS: "" };
    const { status, signal, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", timeout: 60_000, env });
    return { ended: status ?? signal, stdout, stderr };
  };

  for (const [kind, report, where, ends] of [
    ["leak", /ERROR: LeakSanitizer: detected memory leaks.*leak of 4242 byte\(s\) in 1 /s, "leak_bytes", true],
    ["leaked string", /ERROR: LeakSanitizer: detected memory leaks/, "js_def_malloc", true],
    ["use after free", /ERROR: AddressSanitizer: heap-use-after-free/, "use_after_free", false],
    ["heap overflow", /ERROR: AddressSanitizer: heap-buffer-overflow/, "overflow_heap", false],
    ["stack overflow", /ERROR: AddressSanitizer: stack-buffer-overflow/, "overflow_stack", false],
    ["undefined behaviour", /planted\.c:\d+:\d+: runtime error: signed integer overflow/, "planted.c", false],
  ] as const)
    for (const root of roots)
      it(`reports: ${kind}${inRoot(root)}`, () => {
        const { ended, stdout, stderr } = run(kind, ...root);
        assert.match(stderr, report);
        // Names of functions are looked up in the program's file. The leak checker can still see it from a chroot.
        if (root.length === 0 || ends) assert.match(stderr, new RegExp(`\\b${where}\\b`));
        assert.equal(stdout, ends ? "done\n" : "", stderr);
        assert.notEqual(ended, 0);
      });

  for (const root of roots)
    it(`has nothing to say of no mistake${inRoot(root)}`, () => {
      assert.deepEqual(run("nothing", ...root), { ended: 0, stdout: "done\n", stderr: "" });
    });

  it("makes a run of tests fail that all pass", async () => {
    const result = await runOnHost([planted("leaking-case.ts")], "asan", [planted("planted.c")]);
    assert.equal(result.passed, 1);
    assert.notEqual(result.status, 0);
    assert.match(result.output, /LeakSanitizer: detected memory leaks/);
  });
});

it("a release has none of it", async () => {
  const program = await build("release", []);
  const { status, stderr } = spawnSync(program, ["leak"], { encoding: "utf8" });
  assert.match(stderr, /^uncaught TypeError: /);
  assert.equal(status, 70);
});
