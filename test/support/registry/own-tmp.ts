// A temporary directory for a test file alone, so that the file can tell that nothing has been left.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processesNaming } from "../leftovers.ts";

export interface OwnTmp {
  /** For the test's own files. */
  readonly dir: string;
  /** Fails if there is a file of what has been started since, or a process that names one. */
  assertNothingLeft(): void;
  remove(): void;
}

/** From here on `os.tmpdir()`, where registries and servers keep their files, is one for this process alone. */
export function takeOwnTmp(): OwnTmp {
  const dir = mkdtempSync(join(tmpdir(), "berth-test-"));
  const tmp = join(dir, "tmp");
  mkdirSync(tmp);
  process.env.TMPDIR = tmp;
  return {
    dir,
    assertNothingLeft() {
      assert.deepEqual(readdirSync(tmp), []);
      assert.deepEqual(processesNaming(tmp), []);
    },
    remove: () => rmSync(dir, { recursive: true }),
  };
}
