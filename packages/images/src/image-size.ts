import { isNotFound } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import type { ImagePart } from "./walk-target.ts";
import { walkTarget } from "./walk-target.ts";

/** Names of what takes room on the disk, with bytes. */
export interface ImageHoldings {
  /** By digest: those that are here. */
  readonly blobs: ReadonlyMap<string, number>;
  /** By snapshotter and name, as `snapshotId` gives them: those that the image was unpacked to. */
  readonly snapshots: ReadonlyMap<string, number>;
}

export const snapshotId = (snapshotter: string, name: string): string => `${snapshotter} ${name}`;

/** What a target has on the disk, for whatever platforms. Snapshots of containers are theirs. */
export async function holdingsOf(store: Store, scope: Scope, target: ImagePart["descriptor"]): Promise<ImageHoldings> {
  const blobs = new Map<string, number>();
  const snapshots = new Map<string, number>();
  for await (const { descriptor, state, chainId } of walkTarget(store, scope, target)) {
    if (state === "here" && !blobs.has(descriptor.digest)) {
      const size = await unlessGone(async () => store.content.info(scope, descriptor.digest).size);
      if (size !== null) blobs.set(descriptor.digest, size);
    }
    for (const name of snapshottersWith(store, scope, chainId)) {
      const id = snapshotId(name, chainId);
      if (snapshots.has(id)) continue;
      const usage = await unlessGone(() => store.snapshotter(name).usage(scope, chainId));
      if (usage !== null) snapshots.set(id, usage.size);
    }
  }
  return { blobs, snapshots };
}

/** Snapshotters that have unpacked the layer with this chain id. */
export const snapshottersWith = (store: Store, scope: Scope, chainId: string): string[] =>
  chainId === ""
    ? []
    : store.snapshotters.filter((name) => store.snapshotter(name).find(scope, chainId)?.kind === "committed");

/** Whatever is looked at may be removed meanwhile. */
async function unlessGone<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look();
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}
