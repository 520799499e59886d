// What `docker save` writes without an OCI layout: manifest.json with names of files.
import { setImmediate } from "node:timers/promises";
import { type Descriptor, failedPrecondition, invalidArgument, normalizeReference } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import type { ArchiveBlob, ArchiveContents } from "./archive-contents.ts";
import { isGzip, isZstd } from "./decompress.ts";
import { MAX_LISTED } from "./documents.ts";
import { objectOf, stringOf, stringsOf } from "./json.ts";
import { DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST } from "./media-types.ts";

/** An image of an archive and the names that it gives it. */
export interface NamedTarget {
  readonly target: Descriptor;
  readonly names: readonly string[];
  /** A tag that it has in place of a name; "" for none. */
  readonly tag: string;
}

/** What an entry names. */
interface Found {
  readonly config: ArchiveBlob;
  readonly layers: readonly ArchiveBlob[];
  readonly tags: readonly string[];
}

/** Writes a manifest for each entry of manifest.json. */
export async function dockerTargets(
  store: Store,
  scope: Scope,
  entries: readonly unknown[],
  contents: ArchiveContents,
): Promise<NamedTarget[]> {
  if (entries.length > MAX_LISTED)
    throw invalidArgument(
      `the archive's manifest.json has ${entries.length} entries: at most ${MAX_LISTED} are accepted`,
    );
  const found: Found[] = [];
  let tags = 0;
  for (const [position, value] of entries.entries()) {
    await setImmediate();
    const one = findParts(value, `entry ${position} of the archive's manifest.json`, contents);
    tags += one.tags.length;
    if (tags > MAX_LISTED)
      throw invalidArgument(`the archive's manifest.json has more than ${MAX_LISTED} names: give its images fewer`);
    found.push(one);
  }
  await contents.keep(found.flatMap(({ config, layers }) => [config, ...layers].map(({ digest }) => digest)));
  /** A layer may be named a hundred thousand times. */
  const types = new Map<string, string>();
  const targets: NamedTarget[] = [];
  for (const { config, layers, tags: own } of found) {
    const described: object[] = [];
    for (const layer of layers) {
      const mediaType = types.get(layer.digest) ?? (await layerType(store, scope, layer.digest));
      types.set(layer.digest, mediaType);
      described.push({ mediaType, ...layer });
    }
    const blob = await contents.add(DOCKER_MANIFEST, {
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: { mediaType: DOCKER_CONFIG, ...config },
      layers: described,
    });
    const names = own.map((tag) => normalizeReference(tag));
    targets.push({ target: { mediaType: DOCKER_MANIFEST, ...blob, annotations: {} }, names, tag: "" });
  }
  return targets;
}

function findParts(value: unknown, where: string, contents: ArchiveContents): Found {
  const entry = objectOf(value, where);
  const find = (name: string): ArchiveBlob => {
    const blob = contents.blob(name);
    if (blob === null)
      throw failedPrecondition(`${where} names ${JSON.stringify(name.slice(0, 300))}, which is not in the archive`);
    return blob;
  };
  const config = stringOf(entry, "Config", where);
  if (config === "") throw invalidArgument(`${where} has no Config`);
  const layers = stringsOf(entry, "Layers", where);
  if (layers.length > MAX_LISTED)
    throw invalidArgument(`${where} has ${layers.length} layers: at most ${MAX_LISTED} are accepted`);
  const tags = stringsOf(entry, "RepoTags", where).filter((tag) => tag !== "");
  return { config: find(config), layers: layers.map(find), tags };
}

async function layerType(store: Store, scope: Scope, digest: string): Promise<string> {
  const reader = await store.content.reader(scope, digest);
  try {
    const head = await reader.read(0, 6);
    return isGzip(head) ? `${DOCKER_LAYER}.gzip` : isZstd(head) ? `${DOCKER_LAYER}.zstd` : DOCKER_LAYER;
  } finally {
    await reader.close();
  }
}
