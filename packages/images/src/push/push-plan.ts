// Which parts of an image are pushed, and what stands at the top: all of it, the manifest of one platform, or an index of its
// own with those of several.
import { createHash } from "node:crypto";
import { type Descriptor, failedPrecondition, notFound } from "@berth/base";
import { formatPlatform, type Platform, rank } from "../platform.ts";
import type { Entry, Tree } from "./push-tree.ts";

/** Manifests that a refusal names. */
const MOST_NAMED = 5;

export interface PlannedDocument {
  readonly kind: "index" | "manifest";
  readonly descriptor: Descriptor;
  /** Null: the store has it. */
  readonly bytes: Uint8Array | null;
}

export interface PlannedBlob {
  readonly kind: "config" | "layer";
  readonly descriptor: Descriptor;
}

export interface PushPlan {
  /** Each once. */
  readonly blobs: readonly PlannedBlob[];
  /** Each once, in levels: a level names only what those before it have. The top is not among them. */
  readonly levels: readonly (readonly PlannedDocument[])[];
  /** What the reference is to mean. */
  readonly top: PlannedDocument;
  /** What each document names. */
  readonly named: ReadonlyMap<string, readonly Descriptor[]>;
}

/**
 * `name` is the image's here, for errors. Without platforms all of it is pushed. Throws not-found for a platform that it has
 * not, failed-precondition for what is not here.
 */
export function planPush(name: string, root: Entry, platforms: readonly Platform[]): PushPlan {
  const all = leavesOf(root, new Set());
  const wanted = platforms.length === 0 ? all : forPlatforms(root, all, platforms);
  if (wanted.some(({ tree }) => tree.lacks !== null)) throw notWhole(name, wanted, all);
  const [only] = wanted;
  if (only === undefined || wanted.length === all.length) return planOf(root.tree, null);
  return wanted.length === 1 ? planOf(only.tree, null) : planOf(...indexOf(root.tree, wanted));
}

/** What indexes name that is no index itself, or is one that is not here. */
function leavesOf(entry: Entry, seen: Set<Tree>): Entry[] {
  const { tree } = entry;
  if (tree.kind !== "index" || tree.lacks !== null) return [entry];
  if (seen.has(tree)) return [];
  seen.add(tree);
  return tree.entries.flatMap((one) => leavesOf(one, seen));
}

/** The first for each platform, and what refers to one of these, such as attestations, as far as it is here. */
function forPlatforms({ tree }: Entry, all: readonly Entry[], platforms: readonly Platform[]): Entry[] {
  const found = platforms.map((wanted) => {
    const entry = all.find(({ platform }) => platform !== null && rank([wanted], platform) !== null);
    if (entry !== undefined) return entry;
    throw notFound("manifest", `${tree.descriptor.digest} for platform ${formatPlatform(wanted)}`);
  });
  const digests = new Set(found.map((entry) => entry.tree.descriptor.digest));
  return all.filter((entry) => found.includes(entry) || (digests.has(entry.refersTo) && entry.tree.lacks === null));
}

/** An index with some of another's entries, as they stand there. */
function indexOf({ descriptor: { mediaType } }: Tree, entries: readonly Entry[]): [tree: Tree, bytes: Uint8Array] {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: entries.map(({ raw }) => raw) }));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const descriptor = { mediaType, digest, size: bytes.length, annotations: {} };
  return [{ kind: "index", descriptor, entries, blobs: [], lacks: null, subject: "" }, bytes];
}

function planOf(root: Tree, bytes: Uint8Array | null): PushPlan {
  const blobs = new Map<string, PlannedBlob>();
  const documents: { readonly height: number; readonly document: PlannedDocument }[] = [];
  const heights = new Map<Tree, number>();
  const named = new Map<string, readonly Descriptor[]>();
  /** Levels below it. */
  const place = (tree: Tree): number => {
    const known = heights.get(tree);
    if (known !== undefined) return known;
    const height = 1 + Math.max(-1, ...tree.entries.map((entry) => place(entry.tree)));
    heights.set(tree, height);
    const { kind, descriptor } = tree;
    named.set(
      descriptor.digest,
      [...tree.entries.map((entry) => entry.tree), ...tree.blobs].map((one) => one.descriptor),
    );
    for (const blob of tree.blobs) blobs.set(blob.descriptor.digest, blob);
    if (kind === "blob") blobs.set(descriptor.digest, { kind: "layer", descriptor });
    else if (tree !== root) documents.push({ height, document: { kind, descriptor, bytes: null } });
    return height;
  };
  place(root);
  const byHeight = Map.groupBy(documents, ({ height }) => height);
  const levels = [...byHeight.entries()]
    .sort(([a], [b]) => a - b)
    .map(([, all]) => all.map(({ document }) => document));
  const kind = root.kind === "index" ? "index" : "manifest";
  return { blobs: [...blobs.values()], levels, top: { kind, descriptor: root.descriptor, bytes }, named };
}

function notWhole(name: string, wanted: readonly Entry[], all: readonly Entry[]): Error {
  const missing = wanted.filter(({ tree }) => tree.lacks !== null);
  const named = missing.slice(0, MOST_NAMED).map(titleOf).join(", ");
  const more = missing.length > MOST_NAMED ? ` and ${missing.length - MOST_NAMED} more` : "";
  const here = all.filter(({ tree }) => tree.lacks === null).map(({ platform }) => platform);
  const flags = new Set(here.filter(isOfMachine).map((platform) => ` --platform ${formatPlatform(platform)}`));
  const rest = flags.size === 0 ? "" : `, or push what is here with${[...flags].join("")}`;
  return failedPrecondition(
    `image ${name} cannot be pushed: of its manifests these are not here as a whole: ${named}${more}: fetch them with berth pull --all-platforms${rest}`,
  );
}

const titleOf = ({ tree, platform }: Entry): string =>
  isOfMachine(platform) ? `${formatPlatform(platform)} (${tree.descriptor.digest})` : tree.descriptor.digest;

/** `unknown` is what buildx calls the platform of an attestation. */
const isOfMachine = (platform: Platform | null): platform is Platform => platform !== null && platform.os !== "unknown";
