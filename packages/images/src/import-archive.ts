import { type Descriptor, invalidArgument, isAlreadyExists, type Log, normalizeReference } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { type ArchiveContents, readArchive } from "./archive-contents.ts";
import { addLabels } from "./blobs.ts";
import { decompressed } from "./decompress.ts";
import { dockerTargets, type NamedTarget } from "./docker-archive.ts";
import { parseIndex, parseManifest, readDocument } from "./documents.ts";
import { objectOf, stringOf } from "./json.ts";
import { isIndex, isManifest } from "./media-types.ts";
import type { Platform } from "./platform.ts";
import { checkLayers, isHere, isImage, resolveTarget } from "./resolve.ts";
import type { Differ, ImportedImage } from "./types.ts";
import { unpackImage } from "./unpack-image.ts";

const IMAGE_NAME = "io.containerd.image.name";
const REF_NAME = "org.opencontainers.image.ref.name";

/** The only one there is (image-spec image-layout.md). */
const LAYOUT_VERSION = "1.0.0";

/** Longer than any reference (255 for the repository, 128 for a tag). */
const MAX_NAME = 1_024;

/** Deeper than any real index. */
const MAX_DEPTH = 4;

/**
 * Stores an archive's blobs, unpacks its images and names them, in this order: an image that has a name is whole. The
 * scope's lease holds what is made until it has a name.
 */
export async function importArchive(
  parts: { store: Store; differ: Differ; log: Log; platform: Platform },
  scope: Scope,
  archive: AsyncIterable<Uint8Array>,
  { name, snapshotter, signal }: { name: string; snapshotter: string; signal: AbortSignal },
): Promise<ImportedImage[]> {
  const { store, platform } = parts;
  const contents = await readArchive(store, scope, decompressed(archive), signal);
  const all = await targetsOf(store, scope, contents);
  const seen = new Set<string>();
  for (const { target } of all) await keepWithLabels({ store, scope, contents, seen }, target, 0);
  const images: NamedTarget[] = [];
  const others: NamedTarget[] = [];
  for (const each of all) ((await isImage(store, scope, each.target)) ? images : others).push(each);
  const targets = named(images, name);
  for (const { target } of targets) {
    const resolved = await resolveTarget(store, scope, target, platform);
    checkLayers(store, scope, resolved);
    if (snapshotter !== "") await unpackImage(parts, scope, resolved, snapshotter, signal);
  }
  // What is no image, a chart beside one, keeps the name that it has; without one, nobody could ask for it.
  const here = others.filter(({ target }) => isHere(store, scope, target.digest));
  return [...targets, ...here].flatMap(({ target, names }) => names.map((one) => nameImage(store, scope, one, target)));
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
  keepWithLabels({ store, scope, contents: { async keep() {} }, seen: new Set() }, target, 0);

/**
 * Stores what a target refers to, and labels it with that, as containerd's client does: the collector follows these
 * labels. Children of an index that are not here (other platforms) are left out.
 */
async function keepWithLabels(walk: Walk, target: Descriptor, depth: number): Promise<void> {
  const { store, scope, contents, seen } = walk;
  // An index may name one manifest a thousand times, and another index it as often.
  if (seen.has(target.digest)) return;
  seen.add(target.digest);
  const labels: Record<string, string> = {};
  await contents.keep(target.digest);
  if (isIndex(target.mediaType)) {
    if (depth >= MAX_DEPTH) throw invalidArgument(`index ${target.digest} is nested more than ${MAX_DEPTH} deep`);
    const entries = parseIndex(await readDocument(store, scope, "index", target.digest), `index ${target.digest}`);
    const here = new Map<string, boolean>();
    for (const [position, { descriptor }] of entries.entries()) {
      await contents.keep(descriptor.digest);
      const known = here.get(descriptor.digest) ?? isHere(store, scope, descriptor.digest);
      here.set(descriptor.digest, known);
      if (!known) continue;
      labels[`containerd.io/gc.ref.content.m.${position}`] = descriptor.digest;
      await keepWithLabels(walk, descriptor, depth + 1);
    }
  } else if (isManifest(target.mediaType)) {
    const document = await readDocument(store, scope, "manifest", target.digest);
    const { config, layers } = parseManifest(document, `manifest ${target.digest}`);
    labels["containerd.io/gc.ref.content.config"] = config.digest;
    for (const [position, layer] of layers.entries())
      labels[`containerd.io/gc.ref.content.l.${position}`] = layer.digest;
    for (const { digest } of [config, ...layers]) await contents.keep(digest);
  } else {
    return;
  }
  addLabels(store, scope, target.digest, labels);
}

function nameImage({ images }: Store, scope: Scope, name: string, target: Descriptor): ImportedImage {
  const record = { name, target, labels: {} };
  try {
    return { ...images.create(scope, record), isNew: true };
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return { ...images.update(scope, record, ["target"]), isNew: false };
  }
}
