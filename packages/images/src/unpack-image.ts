import { randomBytes } from "node:crypto";
import { type Descriptor, failedPrecondition, isAlreadyExists, type Log } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { chainIds } from "./chain-id.ts";
import { blameBlob, UNCOMPRESSED } from "./differ.ts";
import type { Resolved } from "./resolve.ts";
import type { Differ } from "./types.ts";

const SNAPSHOT_REF = "containerd.io/snapshot.ref";

export interface UnpackSteps {
  /** Resolves once the layer at this position is in the store. */
  readonly isHere?: (position: number) => Promise<void>;
  readonly onStep?: (position: number, step: "unpacking" | "unpacked") => void;
}

/**
 * Makes the chain of snapshots, bottom first. Two unpacks of one image may run side by side: each works on a key of
 * its own, the first to commit wins and the other uses what is there then.
 */
export async function unpackImage(
  { store, differ, log }: { store: Store; differ: Differ; log: Log },
  scope: Scope,
  image: Resolved,
  snapshotterName: string,
  signal: AbortSignal,
  { isHere = async () => {}, onStep = () => {} }: UnpackSteps = {},
): Promise<string> {
  const snapshotter = store.snapshotter(snapshotterName);
  const chain = chainIds(image.config.diffIds);
  // Nothing but its config: a container's snapshot lies upon none.
  if (chain.length === 0) return "";
  if (chain.length > snapshotter.mostLayers)
    throw failedPrecondition(
      `the image of manifest ${image.manifest.digest} has ${chain.length} layers: ${snapshotterName} takes ${snapshotter.mostLayers} at most`,
    );
  // What lies under a snapshot that is there is there, too.
  let done = chain.length;
  while (done > 0 && snapshotter.find(scope, chain[done - 1] ?? "")?.kind !== "committed") done--;
  for (let at = 0; at < done; at++) onStep(at, "unpacked");
  for (let at = done; at < chain.length; at++) {
    const layer = image.layers[at];
    const diffId = image.config.diffIds[at];
    const name = chain[at];
    if (layer === undefined || diffId === undefined || name === undefined) break;
    await isHere(at);
    onStep(at, "unpacking");
    await unpackLayer({ layer, diffId, name, parent: chain[at - 1] ?? "" });
    onStep(at, "unpacked");
  }
  store.content.update(
    scope,
    {
      digest: image.configDescriptor.digest,
      labels: { [`containerd.io/gc.ref.snapshot.${snapshotterName}`]: image.chainId },
    },
    [`labels.containerd.io/gc.ref.snapshot.${snapshotterName}`],
  );
  return image.chainId;

  async function unpackLayer(step: { layer: Descriptor; diffId: string; name: string; parent: string }): Promise<void> {
    const { layer, diffId, name, parent } = step;
    const key = `extract-${process.hrtime.bigint()}-${randomBytes(3).toString("base64url")} ${name}`;
    const labels = { [SNAPSHOT_REF]: name };
    const mounts = await snapshotter.prepare(scope, key, parent, labels);
    let committed = false;
    try {
      const applied = await differ.apply(scope, layer, mounts, signal);
      if (applied.digest !== diffId) {
        const mismatch = failedPrecondition(
          `layer ${layer.digest} has the diff id ${applied.digest}, but the image's config says ${diffId}`,
        );
        await blameBlob(store, layer.digest, mismatch);
        throw mismatch;
      }
      committed = await commit(key, name, labels);
    } finally {
      if (!committed)
        await snapshotter
          .remove(scope, key)
          .catch((err: unknown) => log.warn("an extraction was left behind", { snapshot: key, err }));
    }
    store.content.update(scope, { digest: layer.digest, labels: { [UNCOMPRESSED]: diffId } }, [
      `labels.${UNCOMPRESSED}`,
    ]);
  }

  /** false where somebody else was first. */
  async function commit(key: string, name: string, labels: Readonly<Record<string, string>>): Promise<boolean> {
    try {
      await snapshotter.commit(scope, name, key, labels);
      return true;
    } catch (error) {
      if (isAlreadyExists(error)) return false;
      throw error;
    }
  }
}
