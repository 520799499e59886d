import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { kindOf } from "@berth/base";
import { verifyImage } from "../src/pull/verify-image.ts";

const descriptor = {
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  digest: "sha256:0",
  size: 1,
  annotations: {},
};
const never = new AbortController().signal;

it("a verifier that does not end, or whose child holds its output open, refuses", async () => {
  const binDir = mkdtempSync(join(tmpdir(), "berth-verifiers-"));
  try {
    for (const script of ["exec sleep 1000", "sleep 1000 & exit 0"]) {
      writeFileSync(join(binDir, "hangs"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      await assert.rejects(
        verifyImage({ binDir, maxVerifiers: -1, timeoutMs: 300 }, "image:1", descriptor, never),
        (error) => kindOf(error) === "failed-precondition" && /hangs has not ended within 0\.3 s/.test(String(error)),
      );
    }
  } finally {
    rmSync(binDir, { recursive: true });
  }
});

it("where there are no verifiers, or none is to be run, everything may be pulled", async () => {
  const binDir = mkdtempSync(join(tmpdir(), "berth-verifiers-"));
  try {
    await verifyImage({ binDir: "/no/such/directory", maxVerifiers: 10, timeoutMs: 300 }, "image:1", descriptor, never);
    writeFileSync(join(binDir, "refuses"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    await verifyImage({ binDir, maxVerifiers: 0, timeoutMs: 300 }, "image:1", descriptor, never);
  } finally {
    rmSync(binDir, { recursive: true });
  }
});
