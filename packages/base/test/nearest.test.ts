import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nearest } from "@berth/base";

describe("nearest", () => {
  const commands = ["run", "exec", "ps", "logs", "start", "stop", "inspect", "image"];
  for (const [given, wanted] of [
    ["rnu", "run"],
    ["pss", "ps"],
    ["log", "logs"],
    ["insp", "inspect"],
    ["images", "image"],
    ["frobnicate", null],
    ["pull", null],
    ["cp", null],
    ["top", "stop"],
    ["stat", "start"],
    ["p", null],
    ["inspekt", "inspect"],
  ] as const)
    it(`${given}: ${wanted}`, () => assert.equal(nearest(given, commands), wanted));
});
