import {
  type Descriptor,
  emptyMember,
  encodeTarHeader,
  hexOf,
  paddedSize,
  parseDigest,
  type TarMember,
} from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { parseIndex, parseManifest, readDocument } from "./documents.ts";
import { isIndex, isManifest, OCI_INDEX } from "./media-types.ts";
import { isRecorded } from "./resolve.ts";

const CHUNK = 1 << 20;

/** An OCI layout as a tar: every blob once, then index.json with the names. The same images give the same bytes. */
export async function* exportArchive(
  store: Store,
  scope: Scope,
  names: readonly string[],
): AsyncGenerator<Uint8Array, void> {
  const images = [...names].sort().map((name) => store.images.get(scope, name));
  const digests = new Set<string>();
  for (const { target } of images) await collectDigests(store, scope, target, digests);

  yield* document("oci-layout", { imageLayoutVersion: "1.0.0" });
  yield header({ name: "blobs/", type: "directory", mode: 0o755, size: 0 });
  yield header({ name: "blobs/sha256/", type: "directory", mode: 0o755, size: 0 });
  for (const digest of [...digests].sort()) yield* blob(store, scope, digest);
  yield* document("index.json", {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: images.map(({ name, target: { mediaType, digest, size } }) => ({
      mediaType,
      digest,
      size,
      annotations: { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": tagOf(name) },
    })),
  });
  yield new Uint8Array(1024);
}

/** What a target refers to. Of an index, manifests that are not here (other platforms) are left out. */
async function collectDigests(store: Store, scope: Scope, target: Descriptor, into: Set<string>): Promise<void> {
  if (into.has(target.digest)) return;
  into.add(target.digest);
  if (isManifest(target.mediaType)) {
    const { config, layers } = parseManifest(
      await readDocument(store, scope, "manifest", target.digest),
      `manifest ${target.digest}`,
    );
    for (const { digest } of [config, ...layers]) into.add(digest);
  } else if (isIndex(target.mediaType)) {
    const entries = parseIndex(await readDocument(store, scope, "index", target.digest), `index ${target.digest}`);
    for (const { descriptor } of entries) {
      if (!isRecorded(store, scope, descriptor.digest)) continue;
      await collectDigests(store, scope, descriptor, into);
    }
  }
}

async function* blob(store: Store, scope: Scope, digest: string): AsyncGenerator<Uint8Array, void> {
  const reader = await store.content.reader(scope, digest);
  try {
    yield header({ name: `blobs/sha256/${hexOf(parseDigest(digest))}`, type: "file", mode: 0o444, size: reader.size });
    for (let at = 0; at < reader.size; ) {
      const part = await reader.read(at, CHUNK);
      at += part.length;
      yield part;
    }
    yield new Uint8Array(paddedSize(reader.size) - reader.size);
  } finally {
    await reader.close();
  }
}

function* document(name: string, value: object): Generator<Uint8Array, void> {
  const bytes = Buffer.from(JSON.stringify(value));
  yield header({ name, type: "file", mode: 0o644, size: bytes.length });
  yield bytes;
  yield new Uint8Array(paddedSize(bytes.length) - bytes.length);
}

const header = (part: Pick<TarMember, "name" | "type" | "mode" | "size">): Uint8Array =>
  encodeTarHeader({ ...emptyMember, ...part });

const tagOf = (name: string): string => {
  const colon = name.lastIndexOf(":");
  return colon > name.lastIndexOf("/") ? name.slice(colon + 1) : "";
};
