// ttrpc's own tests, inside the host: the shim speaks it there. Those that use Node's process or fast-check are left out.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runOnHost } from "../../packages/host/run-on-host.ts";

const files = ["calls", "late", "wire"].map((name) =>
  join(import.meta.dirname, `../../packages/ttrpc/test/${name}.test.ts`),
);

describe("ttrpc", { concurrency: true }, () => {
  for (const variant of ["release", "asan"] as const) {
    it(`passes its tests inside the host, as a ${variant} build`, async () => {
      const result = await runOnHost(files, variant);
      assert.equal(result.status, 0, result.output);
      assert.ok(result.passed > 50, result.output);
    });
  }
});
