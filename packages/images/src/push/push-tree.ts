// What a push has to bring: a target with all that it names, as the store has it.
import { type Descriptor, failedPrecondition, invalidArgument } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { damaged, parseIndex, parseManifest, readDocument } from "../documents.ts";
import { type JsonObject, listOf, objectOf, optionalObject, stringOf } from "../json.ts";
import { isIndex, isManifest, isNonDistributable } from "../media-types.ts";
import type { Platform } from "../platform.ts";
import { lackOf, platformOf } from "../resolve.ts";

/** An index may hold indexes; nobody nests deeper. */
const MAX_DEPTH = 4;
/** Entries of all indexes of one image together. */
const MOST_ENTRIES = 1_000;

/** What buildx writes to the entry of an attestation: the manifest that it is about. */
const REFERENCE = "vnd.docker.reference.digest";

/** A manifest or an index; what else an index may name is a blob. */
export interface Tree {
  readonly kind: "index" | "manifest" | "blob";
  readonly descriptor: Descriptor;
  /** Of an index: null if it is not here. */
  readonly entries: readonly Entry[];
  /** Of a manifest: its config and layers, without those that may not be distributed. */
  readonly blobs: readonly { readonly kind: "config" | "layer"; readonly descriptor: Descriptor }[];
  /** What is not here, of the document and its blobs; the first one. Null if all of it is here. */
  readonly lacks: string | null;
  /** The manifest that it is about, by its `subject` (image specification 1.1); "" for none. */
  readonly subject: string;
}

/** A line of an index; or the target, which no index names. */
export interface Entry {
  readonly tree: Tree;
  /** What the index says, else the config; null if neither does. */
  readonly platform: Platform | null;
  /** The manifest that it is about; "" for none. */
  readonly refersTo: string;
  /** As the index has it, for an index of some of its entries; null of the target. */
  readonly raw: unknown;
}

/** Throws data-loss for what is damaged, and failed-precondition for a target that is missing. */
export async function readTree(store: Store, scope: Scope, target: Descriptor): Promise<Entry> {
  const { digest, mediaType } = target;
  if (!isIndex(mediaType) && !isManifest(mediaType))
    throw invalidArgument(
      `image target ${digest} has media type ${JSON.stringify(mediaType.slice(0, 200))}: neither a manifest nor an index`,
    );
  const tree = await read({ store, scope, known: new Map(), entries: 0 }, target, 0);
  if (tree.lacks !== null) throw failedPrecondition(`${tree.lacks} is not in the content store: fetch the image again`);
  return { tree, platform: await platformOf(store, scope, target), refersTo: "", raw: null };
}

interface Reading {
  readonly store: Store;
  readonly scope: Scope;
  /** One document may be named a thousand times. */
  readonly known: Map<string, Tree>;
  /** Of all indexes so far. */
  entries: number;
}

async function read(reading: Reading, descriptor: Descriptor, depth: number): Promise<Tree> {
  const { digest, mediaType } = descriptor;
  if (depth > MAX_DEPTH) throw invalidArgument(`index ${digest} is nested more than ${MAX_DEPTH} deep`);
  const before = reading.known.get(digest);
  if (before !== undefined) return before;
  const kind = isIndex(mediaType) ? "index" : isManifest(mediaType) ? "manifest" : "blob";
  const lacks = lackIn(reading, kind, digest);
  const bare: Tree = { kind, descriptor, entries: [], blobs: [], lacks, subject: "" };
  const tree = lacks !== null || kind === "blob" ? bare : await readParts(reading, bare, depth);
  reading.known.set(digest, tree);
  return tree;
}

async function readParts(reading: Reading, bare: Tree, depth: number): Promise<Tree> {
  const { store, scope } = reading;
  const { digest } = bare.descriptor;
  const name = `${bare.kind} ${digest}`;
  const document = await readDocument(store, scope, bare.kind, digest);
  if (bare.kind === "index") return { ...bare, entries: await readEntries(reading, document, name, depth) };
  const { config, layers } = parseManifest(document, name);
  const blobs: Tree["blobs"] = [
    { kind: "config", descriptor: config },
    ...layers
      .filter(({ mediaType }) => !isNonDistributable(mediaType))
      .map((descriptor) => ({ kind: "layer", descriptor }) as const),
  ];
  const missing = blobs.find((blob) => lackIn(reading, blob.kind, blob.descriptor.digest) !== null);
  const lacks = missing === undefined ? null : `${missing.kind} ${missing.descriptor.digest} of ${name}`;
  const subject = stringOf(optionalObject(document, "subject", name), "digest", name);
  return { ...bare, blobs, lacks, subject };
}

async function readEntries(reading: Reading, document: JsonObject, name: string, depth: number): Promise<Entry[]> {
  const listed = parseIndex(document, name);
  reading.entries += listed.length;
  if (reading.entries > MOST_ENTRIES) throw invalidArgument(`the image has more than ${MOST_ENTRIES} manifests`);
  const raws = Map.groupBy(listOf(document, "manifests", name), (raw) => stringOf(objectOf(raw, name), "digest", name));
  const entries: Entry[] = [];
  for (const { descriptor, platform } of listed) {
    const tree = await read(reading, descriptor, depth + 1);
    const known = platform ?? (await platformOf(reading.store, reading.scope, descriptor));
    const refersTo = descriptor.annotations[REFERENCE] || tree.subject;
    entries.push({ tree, platform: known, refersTo, raw: raws.get(descriptor.digest)?.shift() });
  }
  return entries;
}

/** The part by its kind and digest if it is missing; null if it is here. Throws data-loss for one that is damaged. */
function lackIn({ store, scope }: Reading, kind: string, digest: string): string | null {
  const lack = lackOf(store, scope, digest);
  if (lack === null) return null;
  if (lack !== "missing") throw damaged(`${kind} ${digest}`, lack.damage);
  return `${kind} ${digest}`;
}
