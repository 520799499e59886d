import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chainIds } from "../src/chain-id.ts";
import { normalized, rank, runnable } from "../src/platform.ts";

const of = (text: string) => {
  const [os = "", architecture = "", variant = ""] = text.split("/");
  return { os, architecture, variant };
};

describe("the platforms that run on", () => {
  for (const [machine, image, position] of [
    ["linux/amd64", "linux/amd64", 0],
    ["linux/amd64", "linux/x86_64", 0],
    ["linux/amd64", "linux/amd64/v1", 0],
    ["linux/amd64", "linux/386", 1],
    ["linux/amd64", "linux/arm64", null],
    ["linux/amd64", "windows/amd64", null],
    ["linux/arm64", "linux/arm64/v8", 0],
    ["linux/arm64", "linux/aarch64", 0],
    ["linux/arm64", "linux/arm/v7", 2],
    ["linux/arm64", "linux/arm", 2],
  ] as const)
    it(`${machine}: ${image} ${position === null ? "does not" : `is choice ${position}`}`, () => {
      assert.equal(rank(runnable(normalized(of(machine))), of(image)), position);
    });
});

it("chain ids are those of the OCI specification", () => {
  assert.deepEqual(chainIds([]), []);
  assert.deepEqual(chainIds(["sha256:a"]), ["sha256:a"]);
  // printf 'sha256:a sha256:b' | sha256sum
  assert.match(chainIds(["sha256:a", "sha256:b"])[1] ?? "", /^sha256:[a-f0-9]{64}$/);
});
