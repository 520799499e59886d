import type { Mount } from "@berth/base";
import type { SnapshotKind } from "../types.ts";

/** A snapshot as directories see it: its number, and the numbers of its parents, nearest first. */
export interface Stack {
  readonly id: number;
  readonly parents: readonly number[];
  readonly kind: SnapshotKind;
}

/** How a snapshotter lays its snapshots out on disk. */
export interface LayerLayout {
  readonly name: string;
  /** Why nothing can be made or mounted with it here; empty if it can. What there is can be looked at and removed. */
  readonly refusal: string;
  /** Where the numbered directories are. */
  readonly directory: string;
  /** How many snapshots one may lie upon. */
  readonly mostParents: number;
  /** Makes the directory of a new snapshot. */
  make(stack: Stack): Promise<void>;
  mounts(stack: Stack): Mount[];
  /** What is in this snapshot itself: what `usage` counts. */
  ownDirectory(id: number): string;
  /** What must be there for the snapshot to be mounted: each with the number of the snapshot that it belongs to. */
  needed(stack: Stack): readonly (readonly [path: string, id: number])[];
  /** Directories whose stack is the snapshot, topmost first. */
  directories(stack: Stack): string[];
}
