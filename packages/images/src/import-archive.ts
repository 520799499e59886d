import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { type Descriptor, invalidArgument, isNotFound, type Log } from "@berth/base";
import type { ImageRecord, Scope, Store } from "@berth/store";
import { type ArchiveContents, readArchive } from "./archive-contents.ts";
import { type ImportRules, named, nameOf, renamed, tagOf } from "./archive-names.ts";
import { addLabels } from "./blobs.ts";
import { decompressed } from "./decompress.ts";
import { dockerTargets, type NamedTarget } from "./docker-archive.ts";
import { parseIndex, parseManifest, readDocument } from "./documents.ts";
import { objectOf, stringOf } from "./json.ts";
import { isIndex, isManifest, OCI_INDEX } from "./media-types.ts";
import { nameImages, namesFor } from "./naming.ts";
import type { Platform } from "./platform.ts";
import { checkLayers, isHere, isImage, resolveTarget } from "./resolve.ts";
import type { Differ } from "./types.ts";
import { unpackImage } from "./unpack-image.ts";

/** The only one there is (image-spec image-layout.md). */
const LAYOUT_VERSION = "1.0.0";

/** Deeper than any real index. */
const MAX_DEPTH = 4;

/** What is labelled at once: a label costs some microseconds of the event loop. */
const MOST_CHILDREN = 1_000;

export interface ImportOptions {
  /** For the one image that the archive gives no name. */
  readonly name: string;
  /** Empty: nothing is unpacked. */
  readonly snapshotter: string;
  /** In the place of `name` and the names that the archive gives. */
  readonly rules?: ImportRules;
  readonly signal: AbortSignal;
}

/**
 * Stores an archive's blobs, unpacks its images and names them, in this order: an image that has a name is whole. The
 * scope's lease holds what is made until it has a name.
 */
export async function importArchive(
  parts: { store: Store; differ: Differ; log: Log; platform: Platform },
  scope: Scope,
  archive: AsyncIterable<Uint8Array>,
  { name, snapshotter, rules, signal }: ImportOptions,
): Promise<ImageRecord[]> {
  const { store, platform } = parts;
  const { all, whole } = await takeBlobs(store, scope, decompressed(archive), rules, signal);
  const images: NamedTarget[] = [];
  const others: NamedTarget[] = [];
  for (const each of all) {
    await setImmediate();
    ((await isImage(store, scope, each.target)) ? images : others).push(each);
  }
  const targets = rules === undefined ? named(images, name) : renamed(images, rules);
  for (const { target } of targets) {
    // Of documents that were read before, nothing below waits for anything.
    await setImmediate();
    const resolved = await resolveTarget(store, scope, target, platform).catch((error: unknown) => {
      if (rules?.anyPlatform !== true || !isNotFound(error)) throw error;
      return null;
    });
    if (resolved === null) continue;
    checkLayers(store, scope, resolved);
    if (snapshotter !== "") await unpackImage(parts, scope, resolved, snapshotter, signal);
  }
  // What is no image, a chart beside one, keeps the name that it has; without one, nobody could ask for it.
  const here = others.filter(({ target }) => isHere(store, scope, target.digest));
  const kept = rules === undefined ? here : [...renamed(here, rules), ...whole];
  return nameImages(store, scope, [...targets, ...kept], rules?.labels);
}

/** Stores the blobs of the archive that its images are made of, and maybe others, with their labels. */
async function takeBlobs(
  store: Store,
  scope: Scope,
  tar: AsyncIterable<Uint8Array>,
  rules: ImportRules | undefined,
  signal: AbortSignal,
): Promise<{ readonly all: readonly NamedTarget[]; readonly whole: readonly NamedTarget[] }> {
  const ref = `import-${Date.now()}-${randomBytes(4).toString("hex")}`;
  await using batch = await store.content.batch(scope, ref);
  const contents = await readArchive(batch, tar, signal);
  const all = await targetsOf(store, scope, contents);
  const whole = await indexOf(contents, all, rules);
  const targets = [...all, ...whole].map(({ target }) => target);
  await keepWithLabels({ store, scope, contents, seen: new Set() }, targets);
  return { all, whole };
}

/** All images of the archive as one, where the rules name that. */
async function indexOf(
  contents: ArchiveContents,
  all: readonly NamedTarget[],
  rules: ImportRules | undefined,
): Promise<NamedTarget[]> {
  if (rules === undefined || rules.index.names.length === 0) return [];
  const manifests = all.map(({ target: { mediaType, digest, size } }) => ({ mediaType, digest, size }));
  const blob = await contents.add(OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  const target = { mediaType: OCI_INDEX, ...blob, annotations: {} };
  return [{ target, names: namesFor(rules.index, target.digest), tag: "" }];
}

async function targetsOf(store: Store, scope: Scope, contents: ArchiveContents): Promise<NamedTarget[]> {
  const { documents } = contents;
  const index = documents.get("index.json");
  const manifests = documents.get("manifest.json");
  const layout = documents.get("oci-layout");
  // An archive may be both; docker's manifest counts if nothing says that it is a layout (as with containerd).
  if (index !== undefined && (layout !== undefined || manifests === undefined)) {
    checkLayout(layout);
    return parseIndex(objectOf(index, "the archive's index.json"), "the archive's index.json").map(
      ({ descriptor }) => ({
        target: { ...descriptor, annotations: {} },
        names: nameOf(descriptor),
        tag: tagOf(descriptor),
      }),
    );
  }
  if (manifests !== undefined) {
    if (!Array.isArray(manifests)) throw invalidArgument("the archive's manifest.json is not a list");
    return dockerTargets(store, scope, manifests, contents);
  }
  throw invalidArgument(
    "the archive is no image: it has neither an index.json (OCI layout) nor a manifest.json (docker save)",
  );
}

function checkLayout(layout: unknown): void {
  if (layout === undefined) return;
  const what = "the archive's oci-layout";
  const version = stringOf(objectOf(layout, what), "imageLayoutVersion", what);
  if (version !== LAYOUT_VERSION)
    throw invalidArgument(
      `${what} is of version ${JSON.stringify(version.slice(0, 100))}: only ${LAYOUT_VERSION} is known`,
    );
}

interface Walk {
  readonly store: Store;
  readonly scope: Scope;
  readonly contents: Pick<ArchiveContents, "keep">;
  readonly seen: Set<string>;
}

/** Labels what the content store has of a target, as the import that brought it did. */
export const labelChildren = (store: Store, scope: Scope, target: Descriptor): Promise<void> =>
  keepWithLabels({ store, scope, contents: { async keep() {} }, seen: new Set() }, [target]);

/** A document and what it refers to. */
interface Parent {
  readonly digest: string;
  /** null for a manifest. */
  readonly entries: readonly Descriptor[] | null;
  readonly labels: Record<string, string>;
  readonly children: readonly string[];
}

/**
 * Stores what targets refer to, and labels them with that, as containerd's client does: the collector follows these
 * labels. Children of an index that are not here (other platforms) are left out. Level by level, so that what a thousand
 * manifests refer to is stored by the dozen.
 */
async function keepWithLabels(walk: Walk, targets: readonly Descriptor[]): Promise<void> {
  const { store, scope, contents, seen } = walk;
  let level = targets;
  for (let depth = 0; level.length > 0; depth++) {
    await contents.keep(level.map(({ digest }) => digest));
    const next: Descriptor[] = [];
    let parents: Parent[] = [];
    let children = 0;
    for (const target of level) {
      // An index may name one manifest a thousand times, and another index it as often.
      if (seen.has(target.digest)) continue;
      seen.add(target.digest);
      const parent = await readParent(store, scope, target, depth);
      if (parent === null) continue;
      parents.push(parent);
      children += parent.children.length;
      if (children < MOST_CHILDREN) continue;
      next.push(...(await keepChildren(walk, parents)));
      parents = [];
      children = 0;
    }
    next.push(...(await keepChildren(walk, parents)));
    level = next;
  }
}

async function readParent(store: Store, scope: Scope, target: Descriptor, depth: number): Promise<Parent | null> {
  const { digest, mediaType } = target;
  if (isIndex(mediaType)) {
    if (depth >= MAX_DEPTH) throw invalidArgument(`index ${digest} is nested more than ${MAX_DEPTH} deep`);
    const index = parseIndex(await readDocument(store, scope, "index", digest), `index ${digest}`);
    const entries = index.map(({ descriptor }) => descriptor);
    return { digest, entries, labels: {}, children: entries.map((entry) => entry.digest) };
  }
  if (!isManifest(mediaType)) return null;
  const document = await readDocument(store, scope, "manifest", digest);
  const { config, layers } = parseManifest(document, `manifest ${digest}`);
  const labels: Record<string, string> = { "containerd.io/gc.ref.content.config": config.digest };
  for (const [position, layer] of layers.entries()) labels[`containerd.io/gc.ref.content.l.${position}`] = layer.digest;
  return { digest, entries: null, labels, children: [config, ...layers].map((child) => child.digest) };
}

/** The children that are documents themselves, each of them once. */
async function keepChildren({ store, scope, contents, seen }: Walk, parents: readonly Parent[]): Promise<Descriptor[]> {
  await contents.keep(new Set(parents.flatMap(({ children }) => children)));
  const documents = new Map<string, Descriptor>();
  const here = new Map<string, boolean>();
  const isKnown = (digest: string): boolean => {
    const known = here.get(digest) ?? isHere(store, scope, digest);
    here.set(digest, known);
    return known;
  };
  for (const { entries, labels } of parents)
    for (const [position, entry] of (entries ?? []).entries()) {
      if (!isKnown(entry.digest)) continue;
      labels[`containerd.io/gc.ref.content.m.${position}`] = entry.digest;
      if (!seen.has(entry.digest)) documents.set(entry.digest, entry);
    }
  if (parents.length > 0)
    store.transaction(() => {
      for (const { digest, labels } of parents) addLabels(store, scope, digest, labels);
    });
  return [...documents.values()];
}
