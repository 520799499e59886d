import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { silent } from "@berth/base";
import { openFifoPool } from "../src/fifo-pool.ts";
import type { RunCommand } from "../src/launcher.ts";

it("what a hundred kills have left is used, not added to", async () => {
  const top = mkdtempSync(join(tmpdir(), "berth-fifos-"));
  try {
    const pool = join(top, "fifos");
    const late: (() => void)[] = [];
    /** A batch may be made after its berthd has ended. */
    const run: RunCommand = ({ file, args }) =>
      new Promise((resolve) => {
        late.push(() => {
          execFileSync(file, args);
          resolve({ status: 0, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) });
        });
      });
    let most = 0;
    for (let kill = 0; kill < 100; kill++) {
      const fifos = openFifoPool(pool, run, silent);
      // Two batches may be on their way when one that was killed had begun its own.
      while (late.length > (kill % 3 === 0 ? 1 : 0)) late.shift()?.();
      for (let create = 0; create < kill % 5; create++) {
        const placing = fifos.place(join(top, `${kill}-${create}`));
        late.shift()?.();
        await placing;
        assert.ok(lstatSync(join(top, `${kill}-${create}`)).isFIFO());
      }
      most = Math.max(most, readdirSync(pool).length);
    }
    assert.ok(most <= 2 * 40, `${most} FIFOs`);
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
});
