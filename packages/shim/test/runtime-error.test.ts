import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kindOf } from "@berth/base";
import { killError, lastRuntimeError, reasonOf, runtimeError } from "@berth/shim";

const log = `{"level":"warning","msg":"lies","time":"t"}
{"level":"error","msg":"first","time":"t"}
{"level":"error","msg":"exec: \\"x\\": executable file not found in $PATH\\n","time":"t"}
{"level":"err`;

describe("runtime errors", () => {
  it("are the last error of the log, whatever else is in it", () => {
    assert.equal(lastRuntimeError(log), 'exec: "x": executable file not found in $PATH');
    assert.equal(lastRuntimeError(""), "");
  });
  it("fall back to stderr and to the exit status", () => {
    const failure = { binary: "runc", status: 1, log: "", stderr: "" };
    assert.equal(reasonOf(failure), "runc did not terminate successfully: exit status 1");
    assert.equal(
      reasonOf({ ...failure, stderr: "bad flag\n" }),
      "runc did not terminate successfully: exit status 1: bad flag",
    );
  });
  it("name the operation and end in unknown, as clients expect", () => {
    assert.equal(runtimeError("OCI runtime create failed", "why").message, "OCI runtime create failed: why: unknown");
  });
  for (const reason of ["os: process already finished", "container not running", 'kill "process 1": No such process'])
    it(`a signal that finds nobody (${reason}) is not found`, () => {
      const error = killError(reason);
      assert.equal(error.message, "process already finished: not found");
      assert.equal(kindOf(error), "not-found");
    });
  it("a container that the runtime does not know is not found", () => {
    assert.equal(killError("container does not exist").message, "no such container: not found");
  });
});
