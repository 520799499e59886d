import { createHash } from "node:crypto";
import { type Descriptor, dataLoss, failedPrecondition, invalidArgument, isDigest, isNotFound } from "@berth/base";
import { DamagedBlob, type Scope, type Store } from "@berth/store";
import { MAX_DOCUMENT, tooLong } from "./bounded-json.ts";
import {
  type JsonObject,
  listOf,
  member,
  objectOf,
  optionalObject,
  parseJson,
  stringMapOf,
  stringOf,
  stringsOf,
} from "./json.ts";
import type { ImageConfig } from "./types.ts";

/** Manifests of one index, and layers of one manifest. */
export const MAX_LISTED = 1_000;

/** A child of an index: null where the index names no platform. */
export interface IndexEntry {
  readonly descriptor: Descriptor;
  readonly platform: { readonly os: string; readonly architecture: string; readonly variant: string } | null;
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** Documents that were read, by store and digest: a digest never means anything else, so a run need not read again. */
const known = new WeakMap<Store, Map<string, JsonObject>>();
/** The oldest is forgotten first; larger ones are read each time. */
const MOST_KNOWN = 256;
const LARGEST_KNOWN = 64 << 10;
/** Bytes that are read and hashed before others get their turn. */
const PART = 256 << 10;

/** What clients of berth's own API hear of a damaged blob. */
export const damaged = (what: string, why: string, cause?: unknown): Error =>
  dataLoss(`${what} is damaged (${why}): import or pull the image again`, { cause });

/**
 * Reads a document from the content store. failed-precondition where it is missing, data-loss where it has not its digest,
 * invalid-argument where it is too long.
 */
export async function readDocument(store: Store, scope: Scope, what: string, digest: string): Promise<JsonObject> {
  const name = `${what} ${digest}`;
  return await reading(name, async () => {
    // Whatever was read for others: this namespace must have it, and have it now.
    const size = sizeOf(store, scope, name, digest);
    const documents = known.get(store) ?? new Map<string, JsonObject>();
    known.set(store, documents);
    const before = documents.get(digest);
    if (before !== undefined) return before;
    const document = await parseJson(await wholeBlob(store, scope, name, digest), name);
    if (size <= LARGEST_KNOWN) documents.set(digest, document);
    for (const oldest of documents.keys()) {
      if (documents.size <= MOST_KNOWN) break;
      documents.delete(oldest);
    }
    return document;
  });
}

/** The same bytes that its digest names. Throws as readDocument does. */
export async function readBytes(store: Store, scope: Scope, what: string, digest: string): Promise<Uint8Array> {
  const name = `${what} ${digest}`;
  return await reading(name, async () => {
    sizeOf(store, scope, name, digest);
    return await wholeBlob(store, scope, name, digest);
  });
}

/** Throws invalid-argument for what is too long for a document. */
function sizeOf({ content }: Store, scope: Scope, name: string, digest: string): number {
  const { size } = content.info(scope, digest);
  if (size > MAX_DOCUMENT) throw tooLong(name, size);
  return size;
}

async function reading<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof DamagedBlob) throw damaged(name, error.why, error);
    if (isNotFound(error))
      throw failedPrecondition(`${name} is not in the content store: fetch the image again`, { cause: error });
    throw error;
  }
}

async function wholeBlob({ content }: Store, scope: Scope, name: string, digest: string): Promise<Uint8Array> {
  const reader = await content.reader(scope, digest);
  const hash = createHash("sha256");
  const parts: Uint8Array[] = [];
  try {
    for (let at = 0; at < reader.size; ) {
      const part = await reader.read(at, PART);
      if (part.length === 0) break;
      hash.update(part);
      parts.push(part);
      at += part.length;
    }
  } finally {
    await reader.close();
  }
  if (`sha256:${hash.digest("hex")}` !== digest)
    throw damaged(name, (await content.verify(digest)) ?? "its bytes have changed while they were read");
  return Buffer.concat(parts);
}

function parseDescriptor(value: unknown, what: string): Descriptor {
  const object = objectOf(value, what);
  const digest = stringOf(object, "digest", what);
  if (!isDigest(digest))
    throw invalidArgument(`${what} has the digest ${JSON.stringify(digest.slice(0, 200))}: only sha256 is supported`);
  const size = member(object, "size");
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw invalidArgument(`${what} (${digest}) has no valid size`);
  return {
    mediaType: stringOf(object, "mediaType", what),
    digest,
    size,
    annotations: stringMapOf(object, "annotations", what),
  };
}

/** Of the algorithms that OCI names (image-spec descriptor.md, "Digests"). */
const otherDigest = /^(?!sha256:)[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+$/;

/** Entries under digests that are not sha256's are passed over: no reader could fetch what they name. */
export function parseIndex(document: JsonObject, what: string): IndexEntry[] {
  for (const key of ["config", "layers"])
    if (member(document, key) !== undefined) throw invalidArgument(`${what} has both manifests and ${key}`);
  return listed(document, "manifests", what).flatMap((item, position) => {
    const where = `manifest ${position} of ${what}`;
    const object = objectOf(item, where);
    if (otherDigest.test(stringOf(object, "digest", where))) return [];
    const platform = optionalObject(object, "platform", where);
    return [
      {
        descriptor: parseDescriptor(object, where),
        platform:
          Object.keys(platform).length === 0
            ? null
            : {
                os: stringOf(platform, "os", where),
                architecture: stringOf(platform, "architecture", where),
                variant: stringOf(platform, "variant", where),
              },
      },
    ];
  });
}

export function parseManifest(document: JsonObject, what: string): Manifest {
  // Told apart by content, for a manifest with the fields of an index could mean different things to two readers
  // (CVE-2021-41190).
  if (member(document, "manifests") !== undefined) throw invalidArgument(`${what} has both layers and manifests`);
  return {
    config: parseDescriptor(member(document, "config"), `the config of ${what}`),
    layers: listed(document, "layers", what).map((item, at) => parseDescriptor(item, `layer ${at} of ${what}`)),
  };
}

function listed(document: JsonObject, key: string, what: string): readonly unknown[] {
  const list = listOf(document, key, what);
  if (list.length > MAX_LISTED)
    throw invalidArgument(`${what} has ${list.length} ${key}: at most ${MAX_LISTED} are accepted`);
  return list;
}

/** The configuration's parts that matter, with every type checked. */
export function parseConfig(document: JsonObject, what: string): ImageConfig {
  const config = optionalObject(document, "config", what);
  const diffIds = stringsOf(optionalObject(document, "rootfs", what), "diff_ids", what);
  if (diffIds.length > MAX_LISTED)
    throw invalidArgument(`${what} has ${diffIds.length} diff ids: at most ${MAX_LISTED} are accepted`);
  for (const diffId of diffIds)
    if (!isDigest(diffId))
      throw invalidArgument(
        `${what} has the diff id ${JSON.stringify(diffId.slice(0, 200))}: only sha256 is supported`,
      );
  return {
    architecture: stringOf(document, "architecture", what),
    os: stringOf(document, "os", what),
    variant: stringOf(document, "variant", what),
    config: {
      User: stringOf(config, "User", what),
      // What names no variable sets none.
      Env: stringsOf(config, "Env", what).filter((entry) => entry.indexOf("=") > 0 && !entry.includes("\0")),
      Entrypoint: stringsOf(config, "Entrypoint", what),
      Cmd: stringsOf(config, "Cmd", what),
      WorkingDir: stringOf(config, "WorkingDir", what),
      Labels: stringMapOf(config, "Labels", what),
      StopSignal: stringOf(config, "StopSignal", what),
      Volumes: Object.keys(optionalObject(config, "Volumes", what)),
    },
    diffIds,
  };
}
