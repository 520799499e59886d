import assert from "node:assert/strict";
import { it } from "node:test";
import { onSignal } from "@berth/host";
import { descriptorsOpen } from "./descriptors-open.ts";

// The loop's and the signals' descriptors are made on first use and stay.
onSignal(1, () => {})[Symbol.dispose]();

/** A test that also fails when it leaves a descriptor open. */
export function itLeavesNothing(title: string, body: () => unknown): void {
  it(title, async () => {
    const before = descriptorsOpen();
    await body();
    await new Promise((resolve) => setTimeout(resolve, 0)); // some close on the next turn
    const left = descriptorsOpen() - before;
    assert.equal(left, 0, `${left} descriptors were left open`);
  });
}
