import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { type Descriptor, invalidArgument, isAlreadyExists, type Log, normalizeReference } from "@berth/base";
import type { ImageRecord, Scope, Store } from "@berth/store";
import { type ArchiveContents, readArchive } from "./archive-contents.ts";
import { addLabels } from "./blobs.ts";
import { decompressed } from "./decompress.ts";
import { dockerTargets, type NamedTarget } from "./docker-archive.ts";
import { parseIndex, parseManifest, readDocument } from "./documents.ts";
import { objectOf, stringOf } from "./json.ts";
import { isIndex, isManifest } from "./media-types.ts";
import type { Platform } from "./platform.ts";
import { checkLayers, isHere, isImage, resolveTarget } from "./resolve.ts";
import type { Differ } from "./types.ts";
import { unpackImage } from "./unpack-image.ts";

const IMAGE_NAME = "io.containerd.image.name";
const REF_NAME = "org.opencontainers.image.ref.name";

/** The only one there is (image-spec image-layout.md). */
const LAYOUT_VERSION = "1.0.0";

/** Longer than any reference (255 for the repository, 128 for a tag). */
const MAX_NAME = 1_024;

/** Deeper than any real index. */
const MAX_DEPTH = 4;

/** What is labelled at once: a label costs some microseconds of the event loop. */
const MOST_CHILDREN = 1_000;
const NAMED_AT_ONCE = 50;

/**
 * Stores an archive's blobs, unpacks its images and names them, in this order: an image that has a name is whole. The
 * scope's lease holds what is made until it has a name.
 */
export async function importArchive(
  parts: { store: Store; differ: Differ; log: Log; platform: Platform },
  scope: Scope,
  archive: AsyncIterable<Uint8Array>,
  { name, snapshotter, signal }: { name: string; snapshotter: string; signal: AbortSignal },
): Promise<ImageRecord[]> {
  const { store, platform } = parts;
  const all = await takeBlobs(store, scope, decompressed(archive), signal);
  const images: NamedTarget[] = [];
  const others: NamedTarget[] = [];
  for (const each of all) {
    await setImmediate();
    ((await isImage(store, scope, each.target)) ? images : others).push(each);
  }
  const targets = named(images, name);
  for (const { target } of targets) {
    // Of documents that were read before, nothing below waits for anything.
    await setImmediate();
    const resolved = await resolveTarget(store, scope, target, platform);
    checkLayers(store, scope, resolved);
    if (snapshotter !== "") await unpackImage(parts, scope, resolved, snapshotter, signal);
  }
  // What is no image, a chart beside one, keeps the name that it has; without one, nobody could ask for it.
  const here = others.filter(({ target }) => isHere(store, scope, target.digest));
  return nameImages(store, scope, [...targets, ...here]);
}

/** Stores the blobs of the archive that its images are made of, and maybe others, with their labels. */
async function takeBlobs(
  store: Store,
  scope: Scope,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<NamedTarget[]> {
  const ref = `import-${Date.now()}-${randomBytes(4).toString("hex")}`;
  await using batch = await store.content.batch(scope, ref);
  const contents = await readArchive(batch, tar, signal);
  const all = await targetsOf(store, scope, contents);
  const targets = all.map(({ target }) => target);
  await keepWithLabels({ store, scope, contents, seen: new Set() }, targets);
  return all;
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

/** As containerd's client names images: its own annotation, or OCI's where that is more than a tag. */
function nameOf({ annotations }: Descriptor): string[] {
  const own = annotations[IMAGE_NAME] ?? "";
  if (own.length > MAX_NAME)
    throw invalidArgument(
      `an image of the archive has a name of ${own.length} characters: at most ${MAX_NAME} are accepted`,
    );
  if (own !== "") return [own];
  const ref = annotations[REF_NAME] ?? "";
  return /[/:]/.test(ref) ? [normalizeReference(ref)] : [];
}

/** Gives `name` to the one image that has none. */
function named(targets: readonly NamedTarget[], name: string): NamedTarget[] {
  if (targets.length === 0) throw invalidArgument("the archive has no image in it");
  const unnamed = targets.filter(({ names }) => names.length === 0);
  if (unnamed.length === 0) return [...targets];
  if (name === "")
    throw invalidArgument(
      `the archive does not say what its image ${unnamed[0]?.target.digest} is called: give it a name`,
    );
  if (unnamed.length > 1)
    throw invalidArgument(
      `the archive has ${unnamed.length} images without a name, and ${JSON.stringify(name)} is one name only`,
    );
  const full = normalizeReference(name);
  return targets.map(({ target, names }) => ({ target, names: names.length === 0 ? [full] : names }));
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

/** By the dozen: each transaction is an fsync, and the event loop is everybody's. */
async function nameImages(store: Store, scope: Scope, targets: readonly NamedTarget[]): Promise<ImageRecord[]> {
  const all = targets.flatMap(({ target, names }) => names.map((name) => ({ target, name })));
  const images: ImageRecord[] = [];
  for (let at = 0; at < all.length; at += NAMED_AT_ONCE) {
    if (at > 0) await setImmediate();
    const some = all.slice(at, at + NAMED_AT_ONCE);
    images.push(...store.transaction(() => some.map(({ name, target }) => nameImage(store, scope, name, target))));
  }
  return images;
}

/** Makes the record, or lets the one that is there mean the target. */
export function nameImage({ images }: Store, scope: Scope, name: string, target: Descriptor): ImageRecord {
  const record = { name, target, labels: {} };
  try {
    return images.create(scope, record);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return images.update(scope, record, ["target"]);
  }
}
