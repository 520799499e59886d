// What an image is made of, read from documents that are verified before they are believed.
import { BerthError, type Descriptor, messageOf } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { type IndexEntry, parseConfig, parseIndex, parseManifest, readDocument } from "./documents.ts";
import type { JsonObject } from "./json.ts";
import { isImageManifest, isIndex, isManifest } from "./media-types.ts";
import { type Platform, rank, runnable } from "./platform.ts";
import { isRecorded, type Resolved, resolvedFrom } from "./resolve.ts";
import type { ImageProblem } from "./types.ts";

/** An index may hold indexes; nobody nests deeper. */
const MAX_DEPTH = 4;

/** A blob that an image needs. */
export interface Part {
  readonly what: "index" | "manifest" | "config" | "layer" | "blob";
  readonly descriptor: Descriptor;
}

export interface Walk {
  readonly store: Store;
  readonly scope: Scope;
  readonly platform: Platform;
  /** Verifies a blob and tells of what is wrong with it; whether it can be read then. */
  verify(part: Part): Promise<boolean>;
  tell(problem: ImageProblem): void;
}

/** What is left to look at once all documents are. */
export interface Parts {
  readonly layers: Map<string, Part>;
  /** Whose configs are whole. */
  readonly images: Resolved[];
}

/**
 * Follows a target. Of an index, what is here counts: manifests of other platforms are often left out, and so are the
 * layers of those that are kept for their labels alone.
 */
export async function partsOf(walk: Walk, target: Descriptor): Promise<Parts> {
  const parts: Parts = { layers: new Map(), images: [] };
  const seen = new Set<string>();
  await follow(target, true, 0);
  return parts;

  async function follow(descriptor: Descriptor, isWanted: boolean, depth: number): Promise<void> {
    if (seen.has(descriptor.digest)) return;
    seen.add(descriptor.digest);
    const { mediaType } = descriptor;
    const what = isIndex(mediaType) ? "index" : isManifest(mediaType) ? "manifest" : "blob";
    const part: Part = { what, descriptor };
    if (!(await walk.verify(part)) || what === "blob") return;
    await unlessMalformed(part, async (document) => {
      if (what === "manifest") await manifest(part, document, isWanted);
      else if (depth >= MAX_DEPTH) walk.tell(problemOf(part, "damaged", `it is nested more than ${MAX_DEPTH} deep`));
      else await index(part, parseIndex(document, `index ${descriptor.digest}`), isWanted, depth);
    });
  }

  async function index(part: Part, entries: readonly IndexEntry[], isWanted: boolean, depth: number): Promise<void> {
    const here = entries.filter(({ descriptor }) => isRecorded(walk.store, walk.scope, descriptor.digest));
    const best = Math.min(...entries.map((entry) => positionOf(walk.platform, entry)));
    const isImage = ({ descriptor, platform }: IndexEntry): boolean =>
      (isManifest(descriptor.mediaType) || isIndex(descriptor.mediaType)) && platform?.os !== "unknown";
    if (isWanted && entries.some(isImage) && !here.some(isImage))
      walk.tell(problemOf(part, "missing", "none of the manifests that it lists is in the content store"));
    for (const entry of here)
      await follow(entry.descriptor, isWanted && positionOf(walk.platform, entry) === best, depth + 1);
  }

  async function manifest(part: Part, document: JsonObject, isWanted: boolean): Promise<void> {
    const { digest } = part.descriptor;
    const { config, layers } = parseManifest(document, `manifest ${digest}`);
    const isHere = ({ digest: one }: Descriptor): boolean => isRecorded(walk.store, walk.scope, one);
    // Kept without its layers: only what is there can be damaged.
    const isKept = isWanted || layers.some(isHere);
    for (const layer of layers)
      if (isKept || isHere(layer)) parts.layers.set(layer.digest, { what: "layer", descriptor: layer });
    if (!isKept && !isHere(config)) return;
    const configPart: Part = { what: "config", descriptor: config };
    if (!(await walk.verify(configPart)) || !isImageManifest(config, layers)) return;
    await unlessMalformed(configPart, async (read) => {
      const parsed = parseConfig(read, `image config ${config.digest}`);
      parts.images.push(resolvedFrom(part.descriptor, { config, layers }, parsed));
    });
  }

  async function unlessMalformed(part: Part, use: (document: JsonObject) => Promise<void>): Promise<void> {
    try {
      const name = part.what === "config" ? "image config" : part.what;
      await use(await readDocument(walk.store, walk.scope, name, part.descriptor.digest));
    } catch (error) {
      if (!(error instanceof BerthError) || !MALFORMED.has(error.kind)) throw error;
      walk.tell(problemOf(part, "damaged", messageOf(error)));
    }
  }
}

const MALFORMED = new Set(["invalid-argument", "data-loss", "failed-precondition"]);

export const problemOf = ({ what, descriptor }: Part, state: ImageProblem["state"], why: string): ImageProblem => ({
  what,
  id: descriptor.digest,
  state,
  why,
});

/** How well an entry of an index fits the platform: 0 is best, and what says nothing of it may be anything. */
function positionOf(platform: Platform, entry: IndexEntry): number {
  if (entry.platform === null) return 0;
  return rank(runnable(platform), entry.platform) ?? Number.POSITIVE_INFINITY;
}
