import assert from "node:assert/strict";
import { it } from "node:test";
import { toNanoseconds, toTimestamp } from "@berth/proto";

for (const [nanoseconds, seconds, nanos] of [
  [0n, 0, 0],
  [1_700_000_000_123_456_789n, 1_700_000_000, 123_456_789],
  // Go's zero time, and half a second before 1970.
  [-62_135_596_800_000_000_000n, -62_135_596_800, 0],
  [-500_000_000n, -1, 500_000_000],
] as const)
  it(`${nanoseconds} ns since 1970 are ${seconds} s and ${nanos} ns, and back`, () => {
    assert.deepEqual(toTimestamp(nanoseconds), { seconds, nanos });
    assert.equal(toNanoseconds({ seconds, nanos }), nanoseconds);
  });
