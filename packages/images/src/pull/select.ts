// Which manifests of an image are wanted; each document on the way is fetched into the store.
import { type Descriptor, dataLoss, invalidArgument, notFound } from "@berth/base";
import { type Manifest, parseConfig, parseIndex, parseManifest, readDocument } from "../documents.ts";
import { isImageManifest, isIndex, isManifest } from "../media-types.ts";
import { type Platform, rank, runnable } from "../platform.ts";
import { isHere } from "../resolve.ts";
import { type BlobFetch, fetchBlob, keepDocument } from "./fetch-blob.ts";

/** Deeper than any real index. */
const MAX_DEPTH = 4;
/** Manifests of one image, all platforms and indexes together. */
const MOST_MANIFESTS = 1_000;

/** Of which platforms: the best that runs on each, or all that there are. */
export type Wanted = readonly Platform[] | "all";

export interface Selected {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
}

/** Fetches a document unless it is here. data-loss where it is not as long as whoever names it says. */
async function need(fetch: BlobFetch, target: Descriptor): Promise<void> {
  const { store, scope, repository, signal } = fetch;
  const { digest, size } = target;
  const kind = isIndex(target.mediaType) ? "index" : "manifest";
  const check = (length: number): void => {
    if (length !== size) throw dataLoss(`${kind} ${digest} has ${length} bytes, and was announced with ${size}`);
  };
  if (isHere(store, scope, digest)) {
    check(store.content.info(scope, digest).size);
    return await fetchBlob(fetch, target, kind);
  }
  const document = await repository.document(digest, signal);
  check(document.descriptor.size);
  await keepDocument(fetch, document, kind);
}

/** not-found where nothing of it is for a wanted platform. */
export async function selectManifests(fetch: BlobFetch, target: Descriptor, wanted: Wanted): Promise<Selected[]> {
  if (wanted === "all") {
    const all = new Map<string, Selected>();
    await collect(fetch, target, 0, all);
    return [...all.values()];
  }
  const found: Selected[] = [];
  for (const platform of wanted) {
    const one = await pick({ fetch, candidates: runnable(platform), tried: new Set() }, target, 0);
    if (one === null) {
      const { os, architecture, variant } = platform;
      throw notFound(
        "manifest",
        `${target.digest} for platform ${[os, architecture, variant].filter(Boolean).join("/")}`,
      );
    }
    if (!found.some(({ descriptor }) => descriptor.digest === one.descriptor.digest)) found.push(one);
  }
  return found;
}

async function collect(fetch: BlobFetch, target: Descriptor, depth: number, all: Map<string, Selected>): Promise<void> {
  if (all.has(target.digest)) return;
  checkTarget(target, depth);
  await need(fetch, target);
  if (isManifest(target.mediaType)) {
    if (all.size === MOST_MANIFESTS) throw invalidArgument(`the image has more than ${MOST_MANIFESTS} manifests`);
    all.set(target.digest, { descriptor: target, manifest: await manifestOf(fetch, target) });
    return;
  }
  for (const { descriptor } of await entriesOf(fetch, target))
    if (isIndex(descriptor.mediaType) || isManifest(descriptor.mediaType))
      await collect(fetch, descriptor, depth + 1, all);
}

interface Search {
  readonly fetch: BlobFetch;
  readonly candidates: readonly Platform[];
  readonly tried: Set<string>;
}

/** Of an index the entry that runs best; one that names no platform is looked into, and comes after those that do. */
async function pick(search: Search, target: Descriptor, depth: number): Promise<Selected | null> {
  const { fetch, candidates, tried } = search;
  checkTarget(target, depth);
  if (tried.has(target.digest)) return null;
  tried.add(target.digest);
  await need(fetch, target);
  if (isManifest(target.mediaType)) return { descriptor: target, manifest: await manifestOf(fetch, target) };
  const ranked: { descriptor: Descriptor; position: number }[] = [];
  const silent: Descriptor[] = [];
  for (const { descriptor, platform } of await entriesOf(fetch, target)) {
    if (!isIndex(descriptor.mediaType) && !isManifest(descriptor.mediaType)) continue;
    const position = platform === null ? null : rank(candidates, platform);
    if (position !== null) ranked.push({ descriptor, position });
    else if (platform === null) silent.push(descriptor);
  }
  ranked.sort((a, b) => a.position - b.position);
  for (const { descriptor } of ranked) {
    const found = await pick(search, descriptor, depth + 1);
    if (found !== null) return found;
  }
  for (const descriptor of silent) {
    const found = await pick(search, descriptor, depth + 1);
    if (found !== null && (isIndex(descriptor.mediaType) || (await runs(search, found)))) return found;
  }
  return null;
}

/** Whether the config of a manifest says that it is for a wanted platform. */
async function runs({ fetch, candidates }: Search, { manifest }: Selected): Promise<boolean> {
  const { config, layers } = manifest;
  if (!isImageManifest(config, layers)) return false;
  await fetchBlob(fetch, config, "config");
  const { store, scope } = fetch;
  const what = `image config ${config.digest}`;
  return rank(candidates, parseConfig(await readDocument(store, scope, "image config", config.digest), what)) !== null;
}

function checkTarget({ digest, mediaType }: Descriptor, depth: number): void {
  if (depth > MAX_DEPTH) throw invalidArgument(`index ${digest} is nested more than ${MAX_DEPTH} deep`);
  if (!isIndex(mediaType) && !isManifest(mediaType))
    throw invalidArgument(
      `image target ${digest} has media type ${JSON.stringify(mediaType.slice(0, 200))}: neither a manifest nor an index`,
    );
}

async function entriesOf({ store, scope, progress }: BlobFetch, { digest }: Descriptor) {
  const entries = parseIndex(await readDocument(store, scope, "index", digest), `index ${digest}`);
  progress.names(
    digest,
    entries.map(({ descriptor }) => descriptor),
  );
  return entries;
}

async function manifestOf({ store, scope, progress }: BlobFetch, { digest }: Descriptor): Promise<Manifest> {
  const manifest = parseManifest(await readDocument(store, scope, "manifest", digest), `manifest ${digest}`);
  progress.names(digest, [manifest.config, ...manifest.layers]);
  return manifest;
}
