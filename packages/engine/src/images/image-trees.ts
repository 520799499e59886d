import { type ImagePart, snapshottersWith } from "@berth/images";
import type { EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";
import { findImages } from "./find-image.ts";

/** Parts that are told of one image: real ones have hundreds. */
const MOST_PARTS = 5_000;

export interface TreeNode extends ImagePart {
  /** Snapshotters that have the layer unpacked, with all below it. */
  readonly unpacked: readonly string[];
}

export interface ImageTree {
  readonly name: string;
  readonly nodes: readonly TreeNode[];
  /** There is more. */
  readonly isCut: boolean;
}

/** What images are made of, one after the other; all where none is named. */
export async function* imageTrees(
  { store, images }: Pick<EngineDeps, "store" | "images">,
  names: readonly string[],
  caller: Caller,
): AsyncGenerator<ImageTree> {
  for (const { name, target } of findImages(store.images, names, caller)) {
    const nodes: TreeNode[] = [];
    let isCut = false;
    for await (const part of images.parts(caller, target)) {
      caller.signal.throwIfAborted();
      isCut = nodes.length === MOST_PARTS;
      if (isCut) break;
      nodes.push({ ...part, unpacked: snapshottersWith(store, caller, part.chainId) });
    }
    yield { name, nodes, isCut };
  }
}
