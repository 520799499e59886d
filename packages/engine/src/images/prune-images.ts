import { type ImageHoldings, snapshotId } from "@berth/images";
import type { ImageRecord, Scope, Store } from "@berth/store";
import type { EngineDeps } from "../containers/deps.ts";
import { imageDigestLabel } from "../containers/labels.ts";
import type { Caller } from "../types.ts";
import { lookUpImage } from "./find-image.ts";

/** Names that one transaction removes: the event loop is everybody's. */
const REMOVED_AT_ONCE = 50;

/**
 * Removes the images that no container uses: with `all` every one, otherwise those that have nothing but digests for
 * names. Tells their names, and in the end the bytes that came free, once what nothing refers to any more is deleted.
 */
export async function* pruneImages(
  { store, images }: Pick<EngineDeps, "store" | "images">,
  { all }: { readonly all: boolean },
  caller: Caller,
): AsyncGenerator<{ readonly removed: string[] } | { readonly freed: number }> {
  const candidates = prunable(store, caller, all);
  // Before: afterwards nobody knows how large what is gone was.
  const holdings = new Map<string, ImageHoldings>();
  for (const { target } of candidates)
    if (!holdings.has(target.digest)) holdings.set(target.digest, await images.holdings(caller, target));
  let count = 0;
  for (let at = 0; at < candidates.length; at += REMOVED_AT_ONCE) {
    caller.signal.throwIfAborted();
    const removed = removeUnused(store, caller, candidates.slice(at, at + REMOVED_AT_ONCE));
    count += removed.length;
    if (removed.length > 0) yield { removed };
  }
  if (count > 0) await store.collector.collect();
  yield { freed: count === 0 ? 0 : bytesGone(store, caller, [...holdings.values()]) };
}

function prunable(store: Store, scope: Scope, all: boolean): ImageRecord[] {
  const used = usedDigests(store, scope);
  const images = store.images.list(scope, []);
  const named = new Set(images.filter(({ name }) => !isDigestOnly(name)).map(({ target }) => target.digest));
  return images.filter(({ target }) => !used.has(target.digest) && (all || !named.has(target.digest)));
}

/** `sha256:…`, as kubelet's pulls leave it, and `REPOSITORY@sha256:…`; a tag before it is a name. */
const isDigestOnly = (name: string): boolean => /^(?:[^@]*\/)?[^@/:]*@sha256:|^sha256:[0-9a-f]+$/.test(name);

/** Of the images that containers were made from, and of those that have these images' names now. */
function usedDigests(store: Store, scope: Scope): Set<string> {
  const used = new Set<string>();
  for (const { image, labels } of store.containers.list(scope, [])) {
    for (const digest of [labels[imageDigestLabel], lookUpImage(store.images, image, scope)?.target.digest])
      if (digest !== undefined) used.add(digest);
  }
  return used;
}

/** Those that are still what they were, and still not used. */
function removeUnused(store: Store, scope: Scope, candidates: readonly ImageRecord[]): string[] {
  return store.transaction(() => {
    const used = usedDigests(store, scope);
    const removable = candidates.filter(
      ({ name, target: { digest } }) => !used.has(digest) && store.images.find(scope, name)?.target.digest === digest,
    );
    for (const { name } of removable) store.images.delete(scope, name);
    return removable.map(({ name }) => name);
  }, "frees");
}

/** Bytes of what is not there any more. A blob that another namespace has is. */
function bytesGone(store: Store, scope: Scope, holdings: readonly ImageHoldings[]): number {
  const here = new Set<string>();
  for (const { name: namespace } of store.namespaces.list())
    for (const { digest } of store.content.list({ namespace, lease: "" }, [])) here.add(digest);
  for (const name of store.snapshotters)
    for (const snapshot of store.snapshotter(name).list(scope, [])) here.add(snapshotId(name, snapshot.name));
  const gone = new Map<string, number>();
  for (const { blobs, snapshots } of holdings)
    for (const [id, size] of [...blobs, ...snapshots]) if (!here.has(id)) gone.set(id, size);
  return [...gone.values()].reduce((sum, size) => sum + size, 0);
}
