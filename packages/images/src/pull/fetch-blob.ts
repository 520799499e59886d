// One blob from a registry into the content store.
import { type Descriptor, isAlreadyExists, isNotFound, kindOf } from "@berth/base";
import type { ContentWriter, Scope, Store } from "@berth/store";
import type { Document, Repository } from "../registry/repository.ts";
import type { Endpoint } from "../registry/types.ts";
import { isHere } from "../resolve.ts";
import { isFinal } from "./final-failures.ts";
import type { PartProgress, Progress } from "./progress.ts";
import { type Ranges, rangedBlob } from "./ranged-blob.ts";
import { type Source, withSource } from "./source-label.ts";

export interface BlobFetch {
  readonly store: Store;
  readonly scope: Scope;
  readonly repository: Repository;
  readonly source: Source;
  readonly ranges: Ranges;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Goes on with what an earlier fetch has left, and waits for one that is under way. data-loss where nobody sends the bytes
 * that the digest names; whatever the repository throws.
 */
export async function fetchBlob(fetch: BlobFetch, wanted: Descriptor, kind: PartProgress["kind"]): Promise<void> {
  const { store, scope, progress, source } = fetch;
  const { digest, size } = wanted;
  progress.add(wanted, kind);
  await using writer = await openWriter(fetch, wanted, kind);
  if (writer === null) return progress.wasHere(digest);
  try {
    await receiveTrue(fetch, wanted, writer);
    await writer.commit({ size, expected: digest, labels: withSource({}, source) });
  } catch (error) {
    // While it is ours alone: another pull that needs the same blob waits for it, and begins anew.
    if (isFinal(error)) await store.content.abort(scope, writer.status().ref).catch(exceptNotFound);
    if (!isAlreadyExists(error)) throw error;
  }
  progress.set(digest, "fetched");
}

function exceptNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}

/** Fetches until the bytes are those of the digest, from one who has not sent others. */
async function receiveTrue(fetch: BlobFetch, wanted: Descriptor, writer: ContentWriter): Promise<void> {
  const distrusted = new Set<Endpoint>();
  for (;;) {
    const senders = await receive(fetch, wanted, writer, distrusted);
    if (writer.digest() === wanted.digest) return;
    // From whom bytes are that were here before, nobody knows.
    for (const one of senders) distrusted.add(one);
    await writer.truncate(0);
  }
}

/** Fetches up to the blob's end: who has sent something. */
async function receive(
  { repository, ranges, progress, signal }: BlobFetch,
  wanted: Descriptor,
  writer: ContentWriter,
  distrusted: ReadonlySet<Endpoint>,
): Promise<Set<Endpoint>> {
  const { digest, size } = wanted;
  const senders = new Set<Endpoint>();
  // More than it may have is none of it.
  if (writer.status().offset > size) await writer.truncate(0);
  const { offset } = writer.status();
  progress.fetching(digest, offset);
  for await (const { data, endpoint } of rangedBlob(repository, wanted, { offset, distrusted, signal }, ranges)) {
    senders.add(endpoint);
    await writer.write(data);
    progress.moved(digest, data.length, endpoint.host);
  }
  return senders;
}

/** null where the blob is here, be it that somebody else has brought it meanwhile. */
async function openWriter({ store, scope, signal }: BlobFetch, { digest, size }: Descriptor, kind: string) {
  for (;;) {
    if (isHere(store, scope, digest)) {
      keep(store, scope, digest);
      return null;
    }
    try {
      // The name that containerd's client gives it, which may go on with what it finds.
      return await store.content.writer(scope, {
        ref: `${kind}-${digest}`,
        total: size,
        expected: digest,
        outlastsLease: true,
      });
    } catch (error) {
      if (isAlreadyExists(error)) return null;
      // Another client writes it: it has waited for a while already.
      if (kindOf(error) !== "unavailable") throw error;
      signal.throwIfAborted();
    }
  }
}

/** Has the lease hold what is here, too. */
function keep(store: Store, { namespace, lease }: Scope, digest: string): void {
  if (lease !== "") store.leases.addResource(namespace, lease, { type: "content", id: digest });
}

/** Puts a document that was read already into the store. */
export async function keepDocument(
  fetch: BlobFetch,
  { descriptor, bytes, endpoint }: Document,
  kind: PartProgress["kind"],
): Promise<void> {
  const { progress, source } = fetch;
  progress.add(descriptor, kind);
  await using writer = await openWriter(fetch, descriptor, kind);
  if (writer === null) return progress.wasHere(descriptor.digest);
  await writer.truncate(0);
  await writer.write(bytes);
  progress.moved(descriptor.digest, bytes.length, endpoint.host);
  try {
    await writer.commit({ size: bytes.length, expected: descriptor.digest, labels: withSource({}, source) });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  progress.set(descriptor.digest, "fetched");
}
