// Which blobs of an image go into an archive, and which of its manifests docker is to load.
import { type Descriptor, failedPrecondition, invalidArgument, notFound } from "@berth/base";
import type { ImageRecord, Scope, Store } from "@berth/store";
import { damaged, type Manifest, parseIndex, parseManifest, readDocument } from "./documents.ts";
import { isImageManifest, isIndex, isManifest, isNonDistributable } from "./media-types.ts";
import { formatPlatform, type Platform, rank } from "./platform.ts";
import { lackOf, platformOf } from "./resolve.ts";

/** An index may hold indexes; nobody nests deeper. */
const MAX_DEPTH = 4;

/**
 * Which manifests of an index an archive is to have: the one that fits best, those for each platform, or all that are
 * here as a whole.
 */
export interface PlatformChoice {
  readonly mode: "best" | "each" | "all";
  /** The most wanted first. */
  readonly platforms: readonly Platform[];
}

export interface ExportPlan {
  /** Digests of all that the archive is to have of the image. */
  readonly blobs: ReadonlySet<string>;
  /** The one that stands for the image where there can be only one; null if none of them is one of an image. */
  readonly dockerManifest: ManifestBlob | null;
  /** OS/ARCH[/VARIANT] of manifests that were wanted with all others, and are not here as a whole. */
  readonly leftOut: readonly string[];
}

export interface ManifestBlob {
  readonly digest: string;
  readonly manifest: Manifest;
}

/** A manifest that a target leads to. */
interface Leaf {
  readonly descriptor: Descriptor;
  /** null if nothing tells, as with signatures. */
  readonly platform: Platform | null;
}

/**
 * Follows a target. not-found where no manifest is for a platform that was asked for, failed-precondition where something
 * of one is missing, data-loss where it is damaged.
 */
export async function planExport(
  store: Store,
  scope: Scope,
  { name, target }: Pick<ImageRecord, "name" | "target">,
  choice: PlatformChoice,
  { nonDistributable }: { readonly nonDistributable: boolean },
): Promise<ExportPlan> {
  const { leaves, others } = await leavesOf(store, scope, { name, target });
  checkPlatforms(name, leaves, choice);
  const blobs = new Set(others);
  const leftOut = new Set<string>();
  const images: (ManifestBlob & { position: number })[] = [];
  for (const leaf of chosenOf(leaves, choice)) {
    const whole = await wholeManifest(store, scope, leaf.descriptor, nonDistributable);
    if ("lacks" in whole) {
      const isOptional = choice.mode === "all" || !isNamed(leaf.platform);
      if (!isOptional || leaves.length === 1) throw notWhole(name, whole.lacks);
      if (isNamed(leaf.platform)) leftOut.add(formatPlatform(leaf.platform));
      continue;
    }
    const { manifest, parts } = whole;
    for (const { digest } of [leaf.descriptor, ...parts]) blobs.add(digest);
    if (isImageManifest(manifest.config, manifest.layers))
      images.push({ digest: leaf.descriptor.digest, manifest, position: positionOf(leaf, choice) });
  }
  if (leaves.length > 0 && blobs.size === others.size)
    throw notWhole(name, "every manifest that it lists, or parts of it");
  images.sort((a, b) => a.position - b.position);
  return { blobs, dockerManifest: images[0] ?? null, leftOut: [...leftOut].sort() };
}

const notWhole = (name: string, lacks: string): Error =>
  failedPrecondition(
    `image ${JSON.stringify(name)} is not here as a whole: ${lacks} is missing (berth image tree shows what is here)`,
  );

/** The manifests of a target, each once, and the digests of the indexes that lead to them, or of what is neither. */
async function leavesOf(
  store: Store,
  scope: Scope,
  { name, target }: Pick<ImageRecord, "name" | "target">,
): Promise<{ leaves: Leaf[]; others: ReadonlySet<string> }> {
  const leaves = new Map<string, Leaf>();
  const others = new Set<string>();
  await follow(target, null, 0);
  return { leaves: [...leaves.values()], others };

  async function follow(descriptor: Descriptor, told: Platform | null, depth: number): Promise<void> {
    const { mediaType, digest } = descriptor;
    if (isManifest(mediaType)) {
      const platform = leaves.get(digest)?.platform ?? told ?? (await platformOf(store, scope, descriptor));
      leaves.set(digest, { descriptor, platform });
      return;
    }
    const lack = lackOf(store, scope, digest);
    if (others.has(digest) || (lack === "missing" && depth > 0)) return;
    const what = `${isIndex(mediaType) ? "index" : "blob"} ${digest}`;
    if (lack === "missing") throw notWhole(name, what);
    if (lack !== null) throw damaged(what, lack.damage);
    others.add(digest);
    if (!isIndex(mediaType)) return;
    if (depth >= MAX_DEPTH) throw invalidArgument(`${what} is nested more than ${MAX_DEPTH} deep`);
    for (const entry of parseIndex(await readDocument(store, scope, "index", digest), what))
      await follow(entry.descriptor, entry.platform, depth + 1);
  }
}

/** 0 is best. What says nothing of a platform comes behind those that were asked for, and before all others. */
const positionOf = ({ platform }: Leaf, { platforms }: PlatformChoice): number =>
  isNamed(platform) ? (rank(platforms, platform) ?? Number.POSITIVE_INFINITY) : platforms.length;

/** What says nothing of a platform comes along, as with containerd; the only manifest counts as the best. */
function chosenOf(leaves: readonly Leaf[], choice: PlatformChoice): Leaf[] {
  const best = Math.min(...leaves.filter(({ platform }) => isNamed(platform)).map((leaf) => positionOf(leaf, choice)));
  return leaves.filter((leaf) => {
    const position = positionOf(leaf, choice);
    if (choice.mode === "all" || !isNamed(leaf.platform)) return true;
    return choice.mode === "best" ? position === best : position < choice.platforms.length;
  });
}

/** Throws not-found for a platform that no manifest is for. */
function checkPlatforms(name: string, leaves: readonly Leaf[], { mode, platforms }: PlatformChoice): void {
  const named = leaves.map(({ platform }) => platform).filter(isNamed);
  if (mode === "all" || named.length === 0 || (mode === "best" && named.length === 1)) return;
  const isThere = (one: Platform): boolean => named.some((platform) => rank([one], platform) !== null);
  const missing =
    mode === "best" ? (platforms.some(isThere) ? [] : platforms.slice(0, 1)) : platforms.filter((one) => !isThere(one));
  if (missing.length === 0) return;
  const text = missing.map(formatPlatform).join(", ");
  throw notFound(
    `image ${JSON.stringify(name)} has ${[...new Set(named.map(formatPlatform))].join(", ")}; platform`,
    text,
  );
}

/** `unknown` is what buildkit calls attestations. */
const isNamed = (platform: Platform | null): platform is Platform => platform !== null && platform.os !== "unknown";

/** A manifest all of which is here, or the first that it lacks. Throws data-loss for what is damaged. */
async function wholeManifest(
  store: Store,
  scope: Scope,
  { digest }: Descriptor,
  nonDistributable: boolean,
): Promise<{ readonly manifest: Manifest; readonly parts: readonly Descriptor[] } | { readonly lacks: string }> {
  if (lackOf(store, scope, digest) === "missing") return { lacks: `manifest ${digest}` };
  const manifest = parseManifest(await readDocument(store, scope, "manifest", digest), `manifest ${digest}`);
  const { config, layers } = manifest;
  const parts = [config, ...layers.filter(({ mediaType }) => nonDistributable || !isNonDistributable(mediaType))];
  for (const { digest: part } of parts) {
    const lack = lackOf(store, scope, part);
    const what = `${part === config.digest ? "config" : "layer"} ${part} of manifest ${digest}`;
    if (lack === "missing") return { lacks: what };
    if (lack !== null) throw damaged(what, lack.damage);
  }
  return { manifest, parts };
}
