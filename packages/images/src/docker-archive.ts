// What `docker save` writes without an OCI layout: manifest.json with names of files.
import { type Descriptor, failedPrecondition, invalidArgument, normalizeReference } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import type { ArchiveBlob, ArchiveContents } from "./archive-contents.ts";
import { writeDocument } from "./blobs.ts";
import { isGzip, isZstd } from "./decompress.ts";
import { MAX_LISTED } from "./documents.ts";
import { objectOf, stringOf, stringsOf } from "./json.ts";
import { DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST } from "./media-types.ts";

/** An image of an archive and the names that it gives it. */
export interface NamedTarget {
  readonly target: Descriptor;
  readonly names: readonly string[];
}

/** Writes a manifest for each entry of manifest.json. */
export async function dockerTargets(
  store: Store,
  scope: Scope,
  entries: readonly unknown[],
  contents: ArchiveContents,
): Promise<NamedTarget[]> {
  const targets: NamedTarget[] = [];
  for (const [position, value] of entries.entries()) {
    const where = `entry ${position} of the archive's manifest.json`;
    const entry = objectOf(value, where);
    const find = async (name: string): Promise<ArchiveBlob> => {
      const blob = contents.blob(name);
      if (blob === null)
        throw failedPrecondition(`${where} names ${JSON.stringify(name.slice(0, 300))}, which is not in the archive`);
      await contents.keep(blob.digest);
      return blob;
    };
    const configName = stringOf(entry, "Config", where);
    if (configName === "") throw invalidArgument(`${where} has no Config`);
    const layers: object[] = [];
    const layerNames = stringsOf(entry, "Layers", where);
    if (layerNames.length > MAX_LISTED)
      throw invalidArgument(`${where} has ${layerNames.length} layers: at most ${MAX_LISTED} are accepted`);
    for (const name of layerNames) {
      const blob = await find(name);
      layers.push({ mediaType: await layerType(store, scope, blob.digest), ...blob });
    }
    const target = await writeDocument(store, scope, DOCKER_MANIFEST, {
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: { mediaType: DOCKER_CONFIG, ...(await find(configName)) },
      layers,
    });
    const names = stringsOf(entry, "RepoTags", where).flatMap((tag) => (tag === "" ? [] : [normalizeReference(tag)]));
    targets.push({ target, names });
  }
  return targets;
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
