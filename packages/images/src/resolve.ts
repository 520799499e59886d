import { type Descriptor, failedPrecondition, invalidArgument, isNotFound, notFound } from "@berth/base";
import { DamagedBlob, type Scope, type Store } from "@berth/store";
import { chainIds } from "./chain-id.ts";
import { damaged, type Manifest, parseConfig, parseIndex, parseManifest, readDocument } from "./documents.ts";
import { isImageManifest, isIndex, isManifest } from "./media-types.ts";
import { type Platform, rank, runnable } from "./platform.ts";
import type { ImageConfig } from "./types.ts";

/** An index may hold indexes; nobody nests deeper. */
const MAX_DEPTH = 4;

/** What a target comes to on one platform. */
export interface Resolved {
  readonly manifest: Descriptor;
  readonly configDescriptor: Descriptor;
  readonly config: ImageConfig;
  readonly layers: readonly Descriptor[];
  readonly chainId: string;
}

/**
 * Follows a target to the manifest for the platform. not-found where none of an index's manifests runs here,
 * failed-precondition where content is missing.
 */
export async function resolveTarget(
  store: Store,
  scope: Scope,
  target: Descriptor,
  platform: Platform,
): Promise<Resolved> {
  const manifest = await pickManifest({ store, scope, candidates: runnable(platform), tried: new Set() }, target, 0);
  if (manifest === null)
    throw notFound("manifest", `${target.digest} for platform ${platform.os}/${platform.architecture}`);
  const found = await readManifest(store, scope, manifest);
  const { config, layers } = found;
  if (!isImageManifest(config, layers))
    throw failedPrecondition(
      `manifest ${manifest.digest} is no image: it has a config of type ${JSON.stringify(config.mediaType)} and ${layers.length === 0 ? "no layers" : `layers of type ${JSON.stringify(layers[0]?.mediaType)}`}`,
    );
  const document = await readDocument(store, scope, "image config", config.digest);
  return resolvedFrom(manifest, found, parseConfig(document, `image config ${config.digest}`));
}

/** Throws invalid-argument unless the config tells of each layer. */
export function resolvedFrom(
  manifest: Descriptor,
  { config: configDescriptor, layers }: Manifest,
  config: ImageConfig,
): Resolved {
  if (config.diffIds.length !== layers.length)
    throw invalidArgument(
      `manifest ${manifest.digest} has ${layers.length} layers, but its image config ${configDescriptor.digest} has ${config.diffIds.length} diff ids`,
    );
  return { manifest, configDescriptor, config, layers, chainId: chainIds(config.diffIds).at(-1) ?? "" };
}

interface Search {
  readonly store: Store;
  readonly scope: Scope;
  readonly candidates: readonly Platform[];
  /** Digests of indexes: one may be named by another a thousand times. */
  readonly tried: Set<string>;
}

async function pickManifest(search: Search, target: Descriptor, depth: number): Promise<Descriptor | null> {
  const { store, scope, candidates, tried } = search;
  if (isManifest(target.mediaType)) return target;
  if (!isIndex(target.mediaType))
    throw invalidArgument(
      `image target ${target.digest} has media type ${JSON.stringify(target.mediaType)}: neither a manifest nor an index`,
    );
  if (depth >= MAX_DEPTH) throw invalidArgument(`index ${target.digest} is nested more than ${MAX_DEPTH} deep`);
  if (tried.has(target.digest)) return null;
  tried.add(target.digest);
  const entries = parseIndex(await readDocument(store, scope, "index", target.digest), `index ${target.digest}`);
  /** One manifest may be named a thousand times. */
  const inferred = new Map<string, Platform | null>();
  const platformIn = async (descriptor: Descriptor): Promise<Platform | null> => {
    const before = inferred.get(descriptor.digest);
    if (before !== undefined) return before;
    const found = await platformOf(store, scope, descriptor);
    inferred.set(descriptor.digest, found);
    return found;
  };
  const ranked: { descriptor: Descriptor; position: number }[] = [];
  for (const { descriptor, platform } of entries) {
    if (!isIndex(descriptor.mediaType) && !isManifest(descriptor.mediaType)) continue;
    const known = platform ?? (await platformIn(descriptor));
    const position =
      known === null ? (isIndex(descriptor.mediaType) ? candidates.length : null) : rank(candidates, known);
    // What the index itself says comes first, as with containerd (images.Manifest).
    if (position !== null) ranked.push({ descriptor, position: platform === null ? position + 0.5 : position });
  }
  ranked.sort((a, b) => a.position - b.position);
  for (const { descriptor } of ranked) {
    const found = await pickManifest(search, descriptor, depth + 1);
    if (found !== null) return found;
  }
  return null;
}

/**
 * A manifest that an index lists without a platform says by its config what it is for. null for what is no image, such
 * as a signature beside it, and for what is not here.
 */
export async function platformOf(store: Store, scope: Scope, manifest: Descriptor): Promise<Platform | null> {
  if (!isManifest(manifest.mediaType) || !isHere(store, scope, manifest.digest)) return null;
  const { config, layers } = await readManifest(store, scope, manifest);
  if (!isImageManifest(config, layers) || !isHere(store, scope, config.digest)) return null;
  return parseConfig(await readDocument(store, scope, "image config", config.digest), `image config ${config.digest}`);
}

/** Whether a target is an image, or an index with one, for whatever platform; not a chart, a signature, a list of such. */
export async function isImage(
  store: Store,
  scope: Scope,
  target: Descriptor,
  tried: Set<string> = new Set(),
): Promise<boolean> {
  if (isManifest(target.mediaType)) {
    const { config, layers } = await readManifest(store, scope, target);
    return isImageManifest(config, layers);
  }
  if (!isIndex(target.mediaType)) return false;
  const entries = parseIndex(await readDocument(store, scope, "index", target.digest), `index ${target.digest}`);
  for (const { descriptor } of entries) {
    if (tried.has(descriptor.digest)) continue;
    tried.add(descriptor.digest);
    if (isHere(store, scope, descriptor.digest) && (await isImage(store, scope, descriptor, tried))) return true;
  }
  return false;
}

const readManifest = async (store: Store, scope: Scope, { digest }: Descriptor): Promise<Manifest> =>
  parseManifest(await readDocument(store, scope, "manifest", digest), `manifest ${digest}`);

/** Why a blob cannot be read: "damaged" with its reason, or the namespace has none. null if it can. */
export function lackOf({ content }: Store, scope: Scope, digest: string): "missing" | { damage: string } | null {
  try {
    content.info(scope, digest);
    return null;
  } catch (error) {
    if (error instanceof DamagedBlob) return { damage: error.why };
    if (isNotFound(error)) return "missing";
    throw error;
  }
}

export const isHere = (store: Store, scope: Scope, digest: string): boolean => lackOf(store, scope, digest) === null;

/** Whether the namespace has the blob, be it a damaged one. */
export const isRecorded = (store: Store, scope: Scope, digest: string): boolean =>
  lackOf(store, scope, digest) !== "missing";

/** Throws failed-precondition unless all layers are there, and data-loss if one is damaged. */
export function checkLayers(store: Store, scope: Scope, { manifest, layers }: Resolved): void {
  // One layer may be named a thousand times.
  for (const digest of new Set(layers.map((layer) => layer.digest))) {
    const lack = lackOf(store, scope, digest);
    if (lack === null) continue;
    const name = `layer ${digest} of manifest ${manifest.digest}`;
    if (lack !== "missing") throw damaged(name, lack.damage);
    throw failedPrecondition(`${name} is not in the content store`);
  }
}
