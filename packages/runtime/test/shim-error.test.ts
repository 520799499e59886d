import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BerthError, type ErrorKind, kindOf, messageOf } from "@berth/base";
import { asContainerdSays } from "../src/shim-error.ts";

describe("an error of a shim as containerd passes it on", () => {
  // kind and text of the shim, what was being done, kind and text for the client
  const cases: readonly [ErrorKind, string, string, ErrorKind, string][] = [
    ["unknown", "cannot start a running process", "", "unknown", "cannot start a running process: unknown"],
    ["unknown", "no: unknown", "failed to create shim task", "unknown", "failed to create shim task: no: unknown"],
    ["not-found", "process already finished: not found", "", "not-found", "process already finished: not found"],
    ["already-exists", "id e", "", "already-exists", "id e: already exists"],
    ["resource-exhausted", "too long", "", "unknown", "too long: unknown"],
    ["internal", "oops", "failed to delete task", "unknown", "failed to delete task: oops: unknown"],
    ["unimplemented", "no such method", "", "unimplemented", "no such method: not implemented"],
  ];
  for (const [kind, text, doing, wantedKind, wanted] of cases)
    it(`${kind} "${text}" is ${wantedKind} "${wanted}"`, () => {
      const error = asContainerdSays(new BerthError(kind, text), doing);
      assert.deepEqual([kindOf(error), messageOf(error)], [wantedKind, wanted]);
    });

  it("what the connection says keeps its words, and so does what is no answer", () => {
    for (const error of [
      new BerthError("unavailable", "the shim has ended"),
      new BerthError("deadline-exceeded", "no answer within 5 ms"),
      new TypeError("a mistake"),
    ])
      assert.equal(asContainerdSays(error, "failed to create shim task"), error);
  });

  it("says what was being done once", () => {
    const once = asContainerdSays(new BerthError("unknown", "no"), "failed to delete task");
    assert.equal(messageOf(asContainerdSays(once, "failed to delete task")), "failed to delete task: no: unknown");
  });
});
