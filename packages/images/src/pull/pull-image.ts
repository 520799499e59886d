// From a reference to an image in the store: resolved, fetched, unpacked, and named last.
import { type Descriptor, failedPrecondition, type Log, type Reference } from "@berth/base";
import type { ImageRecord, Scope, Store } from "@berth/store";
import { labelChildren } from "../import-archive.ts";
import { isImageManifest } from "../media-types.ts";
import { type Naming, nameAs, nameImage } from "../naming.ts";
import type { Platform } from "../platform.ts";
import type { Repository } from "../registry/repository.ts";
import { resolveTarget } from "../resolve.ts";
import type { Differ } from "../types.ts";
import { unpackImage } from "../unpack-image.ts";
import { type BlobFetch, fetchBlob } from "./fetch-blob.ts";
import { createLimit } from "./limit.ts";
import type { Progress } from "./progress.ts";
import { type Selected, selectManifests, type Wanted } from "./select.ts";
import { sourceKey, withSource } from "./source-label.ts";
import { type VerifierSettings, verifyImage } from "./verify-image.ts";

export interface PullParts {
  readonly store: Store;
  readonly differ: Differ;
  readonly log: Log;
}

export interface Unpack {
  readonly platform: Platform;
  readonly snapshotter: string;
}

export interface PullWork {
  /** In full. */
  readonly name: string;
  readonly reference: Reference;
  readonly repository: Repository;
  readonly wanted: Wanted;
  /** At most so many manifests of those are fetched as a whole; 0 is no limit. */
  readonly manifestLimit: number;
  /** The manifests and configs of all other platforms are fetched too. */
  readonly allMetadata: boolean;
  /** What is unpacked, and into which snapshotters. */
  readonly unpacks: readonly Unpack[];
  /** Null: by its reference in full. */
  readonly naming: Naming | null;
  readonly verifier: VerifierSettings | null;
  /** Blobs that are fetched at once, and parts of one. */
  readonly atOnce: number;
  /** Bytes of a part; 0: each blob is one. */
  readonly part: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The scope's lease holds what is made until the image has its name. */
export async function pullImage(parts: PullParts, scope: Scope, work: PullWork): Promise<ImageRecord> {
  const { store } = parts;
  const { reference, repository, progress, signal } = work;
  const { digest, tag, domain, path } = reference;
  const fetch: BlobFetch = { store, scope, repository, source: { domain, path }, ranges: work, progress, signal };
  const target = digest === "" ? await repository.resolve(tag || "latest", signal) : await known(fetch, digest);
  if (work.verifier !== null) await verifyImage(work.verifier, work.name, target, signal);
  const selected = (await selectManifests(fetch, target, work.wanted)).slice(0, work.manifestLimit || undefined);
  const others = work.allMetadata ? await selectManifests(fetch, target, "all") : [];
  progress.enter("fetching");
  await fetchAll(parts, fetch, target, { selected, others }, work);
  await labelChildren(store, scope, target);
  const image = store.transaction(() => {
    addSource(fetch);
    const [first] = work.naming === null ? [] : nameAs(store, scope, target, work.naming);
    return first ?? nameImage(store, scope, work.name, target);
  });
  progress.enter("done");
  return image;
}

/** What was here before is from this repository as well. */
function addSource({ store, scope, source, progress }: BlobFetch): void {
  const key = sourceKey(source);
  for (const { digest, wasHere } of progress.snapshot.parts) {
    if (!wasHere) continue;
    const { labels } = store.content.info(scope, digest);
    const added = withSource(labels, source);
    if (added[key] !== labels[key]) store.content.update(scope, { digest, labels: added }, [`labels.${key}`]);
  }
}

/** The descriptor of a digest whose document is fetched with it. */
async function known({ repository, signal }: BlobFetch, digest: string): Promise<Descriptor> {
  return (await repository.document(digest, signal)).descriptor;
}

/** Configs first, for they say how layers are unpacked; then layers at once, which are unpacked in order as they come. */
async function fetchAll(
  parts: PullParts,
  fetch: BlobFetch,
  target: Descriptor,
  { selected, others }: { readonly selected: readonly Selected[]; readonly others: readonly Selected[] },
  { unpacks, atOnce, progress }: PullWork,
): Promise<void> {
  const { store, scope } = fetch;
  // What fails ends the others.
  const ended = new AbortController();
  const signal = AbortSignal.any([fetch.signal, ended.signal]);
  const limited = createLimit(atOnce);
  const fetched = new Map<string, Promise<void>>();
  const begin = (wanted: Descriptor, kind: "config" | "layer"): Promise<void> => {
    const under = fetched.get(wanted.digest);
    if (under !== undefined) return under;
    progress.add(wanted, kind);
    const made = limited(() => fetchBlob({ ...fetch, signal }, wanted, kind));
    // Nobody waits for the others then, whichever is waited for now; it is seen below.
    made.catch((error: unknown) => ended.abort(error));
    fetched.set(wanted.digest, made);
    return made;
  };
  try {
    await Promise.all([...selected, ...others].map(({ manifest }) => begin(manifest.config, "config")));
    for (const { manifest } of selected) for (const layer of manifest.layers) void begin(layer, "layer");
    if (unpacks.length > 0 && !selected.some(({ manifest }) => isImageManifest(manifest.config, manifest.layers)))
      throw failedPrecondition(`manifest ${target.digest} is no image: it has no layers of a file system`);
    for (const { snapshotter, platform } of unpacks) {
      const image = await resolveTarget(store, scope, target, platform);
      await unpackImage(parts, scope, image, snapshotter, signal, {
        async isHere(position) {
          await fetched.get(image.layers[position]?.digest ?? "");
        },
        onStep: (position, step) =>
          progress.set(image.layers[position]?.digest ?? "", step === "unpacked" ? "done" : "unpacking"),
      });
    }
    progress.enter("unpacking");
    await Promise.all(fetched.values());
  } catch (error) {
    ended.abort(error);
    await Promise.allSettled(fetched.values());
    throw error;
  }
}
