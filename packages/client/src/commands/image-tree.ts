import type { ImageTreeResponse, TreeNode } from "@berth/proto/berth/v1";
import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { printable } from "../print/table.ts";
import { nestedTree, treeLines } from "../print/tree-lines.ts";

interface Tree {
  readonly name: string;
  readonly nodes: TreeNode[];
  cut: boolean;
}

export const imageTree = command({
  name: "image tree",
  summary: "Show what images are made of, and what of that is here",
  usage: "[IMAGE…]",
  notes: "Without names all images are shown.",
  options: { json: flag("one JSON object a line") },
  async run(session, { json }, names) {
    for await (const { name, nodes, cut } of whole(session.connection.api.engine.imageTree({ names }))) {
      if (json) session.print(`${JSON.stringify({ name, parts: nestedTree(nodes), cut })}\n`);
      else session.print([printable(name), ...treeLines(nodes), ""].join("\n"));
      if (cut) session.printError(`berth: ${printable(name)} has more parts than are shown\n`);
    }
    return 0;
  },
});

/** Puts together what has come in parts. */
async function* whole(parts: AsyncIterable<ImageTreeResponse>): AsyncGenerator<Tree> {
  let tree: Tree | null = null;
  for await (const { name, nodes, cut } of parts) {
    if (tree !== null && tree.name !== name) yield tree;
    if (tree === null || tree.name !== name) tree = { name, nodes: [], cut: false };
    tree.nodes.push(...nodes);
    tree.cut = cut;
  }
  if (tree !== null) yield tree;
}
