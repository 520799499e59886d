// What an image is made of, as far as its documents are here and can be read.
import { setImmediate } from "node:timers/promises";
import { BerthError, type Descriptor } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { chainIds } from "./chain-id.ts";
import { parseConfig, parseIndex, parseManifest, readDocument } from "./documents.ts";
import { isImageManifest, isIndex, isManifest } from "./media-types.ts";
import type { Platform } from "./platform.ts";
import { lackOf } from "./resolve.ts";

/** An index may hold indexes; nobody nests deeper. */
const MAX_DEPTH = 4;

/** Something that an image is made of. */
export interface ImagePart {
  /** 0 for the target; what a part refers to follows it, one deeper. */
  readonly depth: number;
  readonly kind: "index" | "manifest" | "config" | "layer" | "blob";
  readonly descriptor: Descriptor;
  /** damaged: also a document that cannot be read as what it is. */
  readonly state: "here" | "missing" | "damaged";
  /** Of an index or a manifest: what the index says that names it, else the config; null if neither does. */
  readonly platform: Platform | null;
  /** Of a layer, and all below it; empty if no config tells. */
  readonly chainId: string;
  /** It came before, and so did what it refers to. */
  readonly isRepeated: boolean;
}

interface Found {
  readonly part: ImagePart;
  readonly children: readonly { readonly descriptor: Descriptor; readonly platform: Platform | null }[];
  /** Of a manifest. */
  readonly leaves: readonly ImagePart[];
}

/** All parts of a target, each before what it refers to. Others get their turn between two documents. */
export async function* walkTarget(store: Store, scope: Scope, target: Descriptor): AsyncGenerator<ImagePart> {
  const seen = new Set<string>();
  yield* follow(target, null, 0);

  async function* follow(descriptor: Descriptor, platform: Platform | null, depth: number): AsyncGenerator<ImagePart> {
    await setImmediate();
    const { part, children, leaves } = await lookAt(store, scope, descriptor, platform, depth);
    if (seen.has(descriptor.digest)) {
      yield { ...part, isRepeated: children.length + leaves.length > 0 };
      return;
    }
    seen.add(descriptor.digest);
    yield part;
    yield* leaves;
    for (const child of children) yield* follow(child.descriptor, child.platform, depth + 1);
  }
}

/** A target, or an entry of an index, with what it names. */
async function lookAt(
  store: Store,
  scope: Scope,
  descriptor: Descriptor,
  platform: Platform | null,
  depth: number,
): Promise<Found> {
  const { mediaType, digest } = descriptor;
  const kind = isIndex(mediaType) ? "index" : isManifest(mediaType) ? "manifest" : "blob";
  const part: ImagePart = { ...leafOf(store, scope, kind, descriptor, depth), platform };
  const nothing: Found = { part, children: [], leaves: [] };
  if (part.state !== "here" || kind === "blob") return nothing;
  try {
    if (kind === "manifest") return await manifestParts(store, scope, part);
    if (depth >= MAX_DEPTH) return { ...nothing, part: { ...part, state: "damaged" } };
    const children = parseIndex(await readDocument(store, scope, kind, digest), `index ${digest}`);
    return { part, children, leaves: [] };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return { ...nothing, part: { ...part, state: "damaged" } };
  }
}

async function manifestParts(store: Store, scope: Scope, part: ImagePart): Promise<Found> {
  const { digest } = part.descriptor;
  const manifest = parseManifest(await readDocument(store, scope, "manifest", digest), `manifest ${digest}`);
  const { config, layers } = manifest;
  const leaf = (kind: ImagePart["kind"], descriptor: Descriptor): ImagePart =>
    leafOf(store, scope, kind, descriptor, part.depth + 1);
  const isImage = isImageManifest(config, layers);
  let configPart = leaf("config", config);
  let read: ReturnType<typeof parseConfig> | null = null;
  if (isImage && configPart.state === "here")
    try {
      const name = `image config ${config.digest}`;
      read = parseConfig(await readDocument(store, scope, "image config", config.digest), name);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      configPart = { ...configPart, state: "damaged" };
    }
  const chain = read === null ? [] : chainIds(read.diffIds);
  const kindOfLayer = isImage ? "layer" : "blob";
  return {
    part: { ...part, platform: part.platform ?? read },
    children: [],
    leaves: [configPart, ...layers.map((layer, at) => ({ ...leaf(kindOfLayer, layer), chainId: chain[at] ?? "" }))],
  };
}

function leafOf(store: Store, scope: Scope, kind: ImagePart["kind"], descriptor: Descriptor, depth: number): ImagePart {
  const lack = lackOf(store, scope, descriptor.digest);
  const state = lack === null ? "here" : lack === "missing" ? "missing" : "damaged";
  return { depth, kind, descriptor, state, platform: null, chainId: "", isRepeated: false };
}

/** Not as it should be, or gone meanwhile. */
const isUnreadable = (error: unknown): boolean =>
  error instanceof BerthError && ["invalid-argument", "data-loss", "failed-precondition"].includes(error.kind);
