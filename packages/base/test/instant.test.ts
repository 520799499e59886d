import assert from "node:assert/strict";
import { it } from "node:test";
import { formatInstant, instantOfMs, msOf, systemClock } from "@berth/base";

for (const [instant, text] of [
  [1_700_000_000_000_000_000n, "2023-11-14T22:13:20Z"],
  [1_700_000_000_100_000_000n, "2023-11-14T22:13:20.1Z"],
  [1_700_000_000_000_000_007n, "2023-11-14T22:13:20.000000007Z"],
] as const)
  it(`writes ${instant} as Go does: ${text}`, () => assert.equal(formatInstant(instant), text));

it("goes to milliseconds and back", () => assert.equal(msOf(instantOfMs(1_700_000_000_123)), 1_700_000_000_123));

it("reads a clock that is finer than milliseconds", () => {
  const fractions = new Set<bigint>();
  const end = systemClock.now() + 1_000_000_000n;
  while (fractions.size < 10 && systemClock.now() < end) fractions.add(systemClock.now() % 1_000_000n);
  assert.ok(fractions.size >= 10);
});
