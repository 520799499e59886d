import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";

it("a full disk is said in one sentence, and what was under way goes on afterwards", {
  skip: process.getuid?.() !== 0,
}, () => {
  const disk = mkdtempSync(join(tmpdir(), "berth-full-"));
  try {
    const script = 'mount -t tmpfs -o size=8m tmpfs "$1" && exec "$2" "$3" "$1"';
    const child = join(import.meta.dirname, "full-disk-child.ts");
    const said = execFileSync("unshare", ["-m", "sh", "-c", script, "sh", disk, process.execPath, child], {
      encoding: "utf8",
    });
    assert.equal(said, "survived\n");
  } finally {
    rmSync(disk, { recursive: true });
  }
});
