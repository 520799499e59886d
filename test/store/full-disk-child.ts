// Runs in a mount namespace of its own, with a small disk in argv[2].
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kindOf, messageOf, silent, systemClock } from "@berth/base";
import { openStore } from "@berth/store";

const [, , disk = ""] = process.argv;
const scope = { namespace: "full", lease: "" };
const ballast = join(disk, "ballast");
const chunk = randomBytes(1 << 20);
const isFull = (error: unknown): true => {
  assert.equal(kindOf(error), "resource-exhausted", messageOf(error));
  assert.match(messageOf(error), /^no space left on the disk of [^\n]* free some and try again$/);
  return true;
};

await using store = await openStore({ root: join(disk, "root"), clock: systemClock, log: silent });
await using writer = await store.content.writer(scope, { ref: "big", total: 0, expected: "" });
let written = 0;
await assert.rejects(async () => {
  for (;;) {
    await writer.write(chunk);
    written += chunk.length;
  }
}, isFull);
assert.equal(writer.status().offset, written, "what is there is what was acknowledged");

// Metadata and snapshots are refused in the same way, once there is no room for them either.
assert.throws(() => writeFileSync(ballast, Buffer.alloc(16 << 20)), { code: "ENOSPC" });
const native = store.snapshotter("native");
await assert.rejects(async () => {
  for (let i = 0; ; i++) await native.prepare(scope, `k${i}`, "", {});
}, isFull);

rmSync(ballast);
await writer.write(Buffer.from("the end"));
const { size, digest } = await writer.commit({ size: 0, expected: "", labels: {} });
assert.equal(size, written + 7);
store.content.info(scope, digest);
process.stdout.write("survived\n");
