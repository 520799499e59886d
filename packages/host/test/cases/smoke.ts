import assert from "node:assert/strict";
import { describe, it } from "node:test";

describe("the test runner", () => {
  it("passes", () => assert.equal(1, 1));
  it("compares deeply", async () => assert.deepEqual({ a: [1, new Uint8Array([1])] }, { a: [1, new Uint8Array([1])] }));
  it("sees rejections", async () => assert.rejects(Promise.reject(new Error("no")), /no/));
});
