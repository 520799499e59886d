// The shim's readers on the shim's own engine, with sanitizers: it has another JSON.parse and less stack than Node.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildProgram } from "../../packages/host/build.ts";
import { sanitizerEnvironment } from "./live-shim.ts";
import type { Budget, Target } from "./target.ts";

/** One program's turn: so many that its start does not count. */
const TURN = 2000;
/** A turn takes a second or two. */
const HANG_MS = 600_000;

export const hostReaders: Target = {
  name: "host-readers",
  inputs: 4000,
  async run({ random, more }: Budget) {
    const top = mkdtempSync("/tmp/berth-fuzz-");
    try {
      const entry = join(import.meta.dirname, "readers-program.ts");
      const program = await buildProgram({ entry, name: "readers", outDir: top, variant: "asan" });
      let count = 0;
      while (more(count)) {
        const args = [String(random.int(0, 0xffffffff)), String(TURN)];
        const env = { ...process.env, ...sanitizerEnvironment("stderr", true) };
        const said = await new Promise<string>((done, fail) => {
          execFile(program, args, { env, timeout: HANG_MS, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
            if (error !== null || stderr !== "") fail(new Error(`seed ${args[0]}: ${stderr}`, { cause: error }));
            else done(stdout);
          });
        });
        assert.equal(said, "done\n");
        count += TURN;
      }
      return count;
    } finally {
      rmSync(top, { recursive: true, force: true });
    }
  },
};
