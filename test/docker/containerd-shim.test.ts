// Debian's docker on Debian's containerd with berth's shim in the place of the Go one, by being first on
// containerd's PATH under its name.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ownShim } from "../support/berthd.ts";
import { dockerOnContainerd } from "./containerd.ts";
import { dockerSuite } from "./suite.ts";

describe("the berth shim under the Go shim's name", () => {
  let directory: string;
  let link: string;
  before(() => {
    directory = mkdtempSync("/run/berth-path-");
    link = join(directory, "containerd-shim-runc-v2");
    symlinkSync(ownShim, link);
  });
  after(() => rmSync(directory, { recursive: true }));

  it("says its version under that name", () => {
    assert.match(execFileSync(link, ["-v"], { encoding: "utf8" }), /^containerd-shim-runc-v2:\n {2}Version: /);
  });

  dockerSuite("containerd with the berth shim", () => dockerOnContainerd({ path: `${directory}:${process.env.PATH}` }));
});
