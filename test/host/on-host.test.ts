// The host's own tests run inside the host; this builds them and tells Node's runner what came out.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runOnHost } from "../../packages/host/run-on-host.ts";

const helpers = ["descriptors-open.ts", "temporary.ts", "unit-fixture.ts", "without-leak.ts"];
const folder = join(import.meta.dirname, "../../packages/host/test/cases");
const cases = readdirSync(folder)
  .filter((name) => name.endsWith(".ts") && !helpers.includes(name))
  .map((name) => join(folder, name));
// They wait more than they compute.
describe("the host", { concurrency: true }, () => {
  for (const variant of ["release", "asan", "gc-stress"] as const) {
    it(`passes its tests as a ${variant} build`, async () => {
      const result = await runOnHost(cases, variant);
      assert.equal(result.status, 0, result.output);
      assert.ok(result.passed > 50, result.output);
    });
  }
});
