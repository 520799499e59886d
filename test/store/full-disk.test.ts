import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";

const cases: readonly [title: string, child: string, megabytes: number][] = [
  ["a full disk is said in one sentence, and what was under way goes on afterwards", "full-disk-child.ts", 8],
  ["what frees goes on while something else takes every block, and a start needs none", "hog-child.ts", 16],
  ["the same with the whole room of a larger disk", "hog-child.ts", 300],
];

for (const [title, child, megabytes] of cases)
  it(title, { skip: process.getuid?.() !== 0 }, () => {
    const disk = mkdtempSync(join(tmpdir(), "berth-full-"));
    try {
      const script = `mount -t tmpfs -o size=${megabytes}m tmpfs "$1" && exec "$2" "$3" "$1"`;
      const program = join(import.meta.dirname, child);
      const said = execFileSync("unshare", ["-m", "sh", "-c", script, "sh", disk, process.execPath, program], {
        encoding: "utf8",
      });
      assert.equal(said, "survived\n");
    } finally {
      rmSync(disk, { recursive: true });
    }
  });
