import { type Descriptor, failedPrecondition, invalidArgument, notFound } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { chainIds } from "./chain-id.ts";
import { parseConfig, parseIndex, parseManifest, readDocument } from "./documents.ts";
import { isIndex, isManifest } from "./media-types.ts";
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
  const manifest = await pickManifest(store, scope, target, runnable(platform), 0);
  if (manifest === null)
    throw notFound("manifest", `${target.digest} for platform ${platform.os}/${platform.architecture}`);
  const name = `manifest ${manifest.digest}`;
  const { config: configDescriptor, layers } = parseManifest(
    await readDocument(store, scope, "manifest", manifest.digest),
    name,
  );
  const configName = `image config ${configDescriptor.digest}`;
  const config = parseConfig(await readDocument(store, scope, "image config", configDescriptor.digest), configName);
  if (config.diffIds.length !== layers.length)
    throw invalidArgument(
      `${name} has ${layers.length} layers, but its ${configName} has ${config.diffIds.length} diff ids`,
    );
  const chain = chainIds(config.diffIds);
  return { manifest, configDescriptor, config, layers, chainId: chain[chain.length - 1] ?? "" };
}

async function pickManifest(
  store: Store,
  scope: Scope,
  target: Descriptor,
  candidates: readonly Platform[],
  depth: number,
): Promise<Descriptor | null> {
  if (isManifest(target.mediaType)) return target;
  if (!isIndex(target.mediaType))
    throw invalidArgument(
      `image target ${target.digest} has media type ${JSON.stringify(target.mediaType)}: neither a manifest nor an index`,
    );
  if (depth >= MAX_DEPTH) throw invalidArgument(`index ${target.digest} is nested more than ${MAX_DEPTH} deep`);
  const entries = parseIndex(await readDocument(store, scope, "index", target.digest), `index ${target.digest}`);
  const ranked: { descriptor: Descriptor; position: number }[] = [];
  for (const { descriptor, platform } of entries) {
    if (!isIndex(descriptor.mediaType) && !isManifest(descriptor.mediaType)) continue;
    const known = platform ?? (await platformOf(store, scope, descriptor));
    const position =
      known === null ? (isIndex(descriptor.mediaType) ? candidates.length : null) : rank(candidates, known);
    if (position !== null) ranked.push({ descriptor, position });
  }
  ranked.sort((a, b) => a.position - b.position);
  for (const { descriptor } of ranked) {
    const found = await pickManifest(store, scope, descriptor, candidates, depth + 1);
    if (found !== null) return found;
  }
  return null;
}

/** A manifest that an index lists without a platform says by its config what it is for. */
async function platformOf(store: Store, scope: Scope, manifest: Descriptor): Promise<Platform | null> {
  if (!isManifest(manifest.mediaType)) return null;
  const name = `manifest ${manifest.digest}`;
  const { config } = parseManifest(await readDocument(store, scope, "manifest", manifest.digest), name);
  return parseConfig(await readDocument(store, scope, "image config", config.digest), `image config ${config.digest}`);
}

/** Throws failed-precondition unless all layers are there. */
export function checkLayers(store: Store, scope: Scope, { manifest, layers }: Resolved): void {
  const there = new Set(store.content.list(scope, []).map(({ digest }) => digest));
  for (const layer of layers)
    if (!there.has(layer.digest))
      throw failedPrecondition(`layer ${layer.digest} of manifest ${manifest.digest} is not in the content store`);
}
