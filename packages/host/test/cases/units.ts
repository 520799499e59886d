import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { collectGarbage } from "@berth/host";

describe("a unit", () => {
  it("is one thing until the program is idle, and then made anew", async () => {
    const first = await import("./unit-fixture.ts");
    assert.equal(await import("./unit-fixture.ts"), first);
    collectGarbage();
    const second = await import("./unit-fixture.ts");
    assert.notEqual(second, first);
    assert.equal(second.answer(2), 42);
  });
  it("goes on being used by what it has made", async () => {
    const { counter } = await import("./unit-fixture.ts");
    const count = counter();
    assert.equal(count(), 1);
    collectGarbage();
    assert.equal(count(), 2);
  });
  it("has its errors from the main part: they are the same class", async () => {
    const { fails } = await import("./unit-fixture.ts");
    assert.throws(fails, (error: unknown) => error instanceof TypeError && error.message === "as it should");
  });
});
