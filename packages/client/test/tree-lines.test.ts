import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TreeNode } from "@berth/proto/berth/v1";
import { nestedTree, treeLines } from "../src/print/tree-lines.ts";

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const node = (depth: number, kind: string, letter: string, more: Partial<TreeNode> = {}): TreeNode =>
  TreeNode.create({ depth, kind, digest: digest(letter), size: 2048, state: "here", ...more });

const nodes = [
  node(0, "index", "a"),
  node(1, "manifest", "b", { platform: "linux/amd64" }),
  node(2, "config", "c"),
  node(2, "layer", "d", { unpacked: ["overlayfs", "native"] }),
  node(1, "index", "e"),
  node(2, "manifest", "f", { platform: "linux/arm64", state: "missing" }),
  node(2, "manifest", "b", { repeatedAbove: true, size: 0 }),
  node(1, "blob", "\u001b", { state: "damaged" }),
];

describe("the tree of an image", () => {
  it("is drawn with a line for each part", () => {
    assert.deepEqual(treeLines(nodes), [
      `└─ index sha256:${"a".repeat(12)}  2.00 KiB`,
      `   ├─ manifest sha256:${"b".repeat(12)}  linux/amd64  2.00 KiB`,
      `   │  ├─ config sha256:${"c".repeat(12)}  2.00 KiB`,
      `   │  └─ layer sha256:${"d".repeat(12)}  2.00 KiB  unpacked (overlayfs, native)`,
      `   ├─ index sha256:${"e".repeat(12)}  2.00 KiB`,
      `   │  ├─ manifest sha256:${"f".repeat(12)}  linux/arm64  2.00 KiB  missing`,
      `   │  └─ manifest sha256:${"b".repeat(12)}  as above`,
      `   └─ blob sha256:${"?".repeat(12)}  2.00 KiB  damaged`,
    ]);
  });

  it("of nothing is nothing", () => {
    assert.deepEqual([treeLines([]), nestedTree([])], [[], []]);
  });

  it("is nested for scripts", () => {
    const shapeOf = (tree: ReturnType<typeof nestedTree>): unknown[] =>
      tree.map(({ kind, children }) => (children.length === 0 ? kind : [kind, shapeOf(children)]));
    assert.deepEqual(shapeOf(nestedTree(nodes)), [
      ["index", [["manifest", ["config", "layer"]], ["index", ["manifest", "manifest"]], "blob"]],
    ]);
  });
});
