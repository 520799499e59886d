import type { Scope, Store } from "@berth/store";
import { addLabels } from "./blobs.ts";
import { UNCOMPRESSED } from "./differ.ts";
import { labelChildren } from "./import-archive.ts";
import { hostPlatform } from "./platform.ts";
import { checkLayers, resolveTarget } from "./resolve.ts";

/**
 * Gives an image's blobs the labels by which the collector finds them, and its snapshots, as the import that made them
 * did. Throws failed-precondition where it is not whole.
 */
export async function relabelImage(store: Store, scope: Scope, name: string): Promise<void> {
  const { target } = store.images.get(scope, name);
  await labelChildren(store, scope, target);
  const resolved = await resolveTarget(store, scope, target, hostPlatform());
  checkLayers(store, scope, resolved);
  for (const [at, layer] of resolved.layers.entries())
    addLabels(store, scope, layer.digest, { [UNCOMPRESSED]: resolved.config.diffIds[at] ?? "" });
  for (const snapshotter of store.snapshotters) {
    if (store.snapshotter(snapshotter).find(scope, resolved.chainId)?.kind !== "committed") continue;
    const label = `containerd.io/gc.ref.snapshot.${snapshotter}`;
    addLabels(store, scope, resolved.configDescriptor.digest, { [label]: resolved.chainId });
  }
}
