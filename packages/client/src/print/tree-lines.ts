import type { TreeNode } from "@berth/proto/berth/v1";
import { formatSize } from "../cli/size.ts";
import { printable } from "./table.ts";

const DIGITS = "sha256:".length + 12;

/** A line for each node, drawn below what refers to it. */
export function treeLines(nodes: readonly TreeNode[]): string[] {
  /** By depth: whether one more follows there, below the same parent. */
  const follows: boolean[] = [];
  const lines: string[] = [];
  for (const node of [...nodes].reverse()) {
    const { depth } = node;
    const bars = Array.from({ length: depth }, (_, level) => (follows[level] ? "│  " : "   ")).join("");
    lines.push(`${bars}${follows[depth] ? "├─ " : "└─ "}${describe(node)}`);
    follows.length = depth + 1;
    follows[depth] = true;
  }
  return lines.reverse();
}

function describe({ kind, digest, size, state, platform, unpacked, repeatedAbove }: TreeNode): string {
  return [
    `${kind} ${printable(digest).slice(0, DIGITS)}`,
    printable(platform),
    size > 0 ? formatSize(size) : "",
    state === "here" ? "" : state,
    unpacked.length === 0 ? "" : `unpacked (${unpacked.map(printable).join(", ")})`,
    repeatedAbove ? "as above" : "",
  ]
    .filter((word) => word !== "")
    .join("  ");
}

interface NestedNode extends Omit<TreeNode, "depth" | "repeatedAbove"> {
  readonly children: NestedNode[];
}

/** The same nodes, each within what refers to it. */
export function nestedTree(nodes: readonly TreeNode[]): NestedNode[] {
  const top: NestedNode[] = [];
  /** Where the next node of each depth goes. */
  const lists: NestedNode[][] = [top];
  for (const { depth, repeatedAbove: _, ...node } of nodes) {
    const nested: NestedNode = { ...node, children: [] };
    lists[depth]?.push(nested);
    lists[depth + 1] = nested.children;
  }
  return top;
}
