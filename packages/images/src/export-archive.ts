// Images as a tar that is an OCI layout and what `docker load` takes: member for member what `ctr images export` writes.
import { createHash } from "node:crypto";
import {
  emptyMember,
  encodeTarHeader,
  failedPrecondition,
  familiarName,
  hexOf,
  isNotFound,
  messageOf,
  paddedSize,
  parseDigest,
  parseReference,
  type TarMember,
} from "@berth/base";
import { DamagedBlob, type ImageRecord, type Scope, type Store } from "@berth/store";
import { damaged } from "./documents.ts";
import { type ManifestBlob, type PlatformChoice, planExport } from "./export-plan.ts";

/** Bytes: a receiver may have dozens of such messages waiting. */
const CHUNK = 128 << 10;

/** An archive that is written when it is read. */
export interface ImageArchive {
  /** Bytes. */
  readonly size: number;
  /** OS/ARCH[/VARIANT] of what was wanted with all others, and is not here as a whole. */
  readonly leftOut: readonly string[];
  /** Throws data-loss behind a blob that has not its digest, and failed-precondition for one that has gone meanwhile. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** What an archive is to have beside what every one has. */
export interface ExportOptions {
  /** manifest.json, for docker. */
  readonly dockerManifest: boolean;
  /** Layers whose media types say that they may not be distributed. */
  readonly nonDistributable: boolean;
}

const everything: ExportOptions = { dockerManifest: true, nonDistributable: true };

/** A manifest and the names of the images that it stands for. */
interface DockerImage extends ManifestBlob {
  readonly names: readonly string[];
}

interface Member {
  readonly header: Uint8Array;
  /** Of the body, without its padding. */
  readonly size: number;
  readonly body: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/**
 * All blobs once, index.json with the names, and manifest.json for docker. The same images give the same bytes, in
 * whatever order they are named. Throws what `planExport` throws, before there is anything to read.
 */
export async function exportArchive(
  store: Store,
  scope: Scope,
  names: readonly string[],
  choice: PlatformChoice,
  wanted: ExportOptions = everything,
): Promise<ImageArchive> {
  const images = [...new Set(names)].sort().map((name) => store.images.get(scope, name));
  const blobs = new Set<string>();
  const leftOut = new Set<string>();
  const docker = new Map<string, DockerImage>();
  const plans = new Map<string, Awaited<ReturnType<typeof planExport>>>();
  for (const image of images) {
    const plan = plans.get(image.target.digest) ?? (await planExport(store, scope, image, choice, wanted));
    plans.set(image.target.digest, plan);
    for (const digest of plan.blobs) blobs.add(digest);
    for (const platform of plan.leftOut) leftOut.add(platform);
    const { dockerManifest } = plan;
    if (dockerManifest === null) continue;
    const { names: before = [] } = docker.get(dockerManifest.digest) ?? {};
    docker.set(dockerManifest.digest, { ...dockerManifest, names: [...before, image.name] });
  }
  const members = [
    directory("blobs/"),
    directory("blobs/sha256/"),
    ...[...blobs].sort().map((digest) => blob(store, scope, digest)),
    document("index.json", indexOf(images)),
    ...(docker.size === 0 || !wanted.dockerManifest
      ? []
      : [document("manifest.json", [...docker.values()].map(dockerEntry))]),
    document("oci-layout", { imageLayoutVersion: "1.0.0" }, 0o444),
  ];
  const size = members.reduce((sum, member) => sum + member.header.length + paddedSize(member.size), END.length);
  return { size, leftOut: [...leftOut].sort(), bytes: tarOf(members) };
}

const END = new Uint8Array(1024);

async function* tarOf(members: readonly Member[]): AsyncGenerator<Uint8Array> {
  for (const { header, size, body } of members) {
    yield header;
    yield* body();
    yield new Uint8Array(paddedSize(size) - size);
  }
  yield END;
}

const directory = (name: string): Member => ({
  header: headerOf({ name, type: "directory", mode: 0o755, size: 0 }),
  size: 0,
  body: () => [],
});

function document(name: string, value: object, mode = 0o644): Member {
  const bytes = Buffer.from(JSON.stringify(value));
  const size = bytes.length;
  return { header: headerOf({ name, type: "file", mode, size }), size, body: () => [bytes] };
}

function blob(store: Store, scope: Scope, digest: string): Member {
  const { size } = store.content.info(scope, digest);
  return {
    header: headerOf({ name: pathOf(digest), type: "file", mode: 0o444, size }),
    size,
    body: () => bytesOfBlob(store, scope, digest, size),
  };
}

async function* bytesOfBlob(
  { content }: Store,
  scope: Scope,
  digest: string,
  size: number,
): AsyncGenerator<Uint8Array> {
  const name = `blob ${digest}`;
  const hash = createHash("sha256");
  try {
    const reader = await content.reader(scope, digest);
    try {
      for (let at = 0; at < size; ) {
        const part = await reader.read(at, Math.min(CHUNK, size - at));
        if (part.length === 0) break;
        hash.update(part);
        at += part.length;
        yield part;
      }
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (error instanceof DamagedBlob) throw damaged(name, error.why, error);
    if (isNotFound(error))
      throw failedPrecondition(`${name} was removed meanwhile: ${messageOf(error)}`, { cause: error });
    throw error;
  }
  if (`sha256:${hash.digest("hex")}` !== digest)
    throw damaged(name, (await content.verify(digest)) ?? "its bytes have changed while they were read");
}

const headerOf = (part: Pick<TarMember, "name" | "type" | "mode" | "size">): Uint8Array =>
  encodeTarHeader({ ...emptyMember, ...part });

const pathOf = (digest: string): string => `blobs/sha256/${hexOf(parseDigest(digest))}`;

const indexOf = (images: readonly ImageRecord[]): object => ({
  schemaVersion: 2,
  manifests: images.map(({ name, target: { mediaType, digest, size, annotations } }) => ({
    mediaType,
    digest,
    size,
    annotations: sorted({
      ...annotations,
      "io.containerd.image.name": name,
      "org.opencontainers.image.ref.name": refNameOf(name),
    }),
  })),
});

const sorted = (map: Readonly<Record<string, string>>): object =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));

const dockerEntry = ({ manifest: { config, layers }, names }: DockerImage): object => {
  const tags = names.flatMap(dockerTag);
  return {
    Config: pathOf(config.digest),
    RepoTags: tags.length === 0 ? null : tags,
    Layers: layers.map(({ digest }) => pathOf(digest)),
  };
};

/** What is behind the repository (containerd's archive.ociReferenceName): `latest`, or `@sha256:…`. */
function refNameOf(name: string): string {
  const slash = name.indexOf("/");
  if (slash < 0) return name;
  const behind = /[:@].*$/.exec(name.slice(slash));
  return behind?.[0].replace(/^:/, "") ?? "";
}

/** Nothing for a name that is no repository with a tag: docker refuses an archive with others. */
function dockerTag(name: string): string[] {
  try {
    const { tag, digest } = parseReference(name);
    return tag === "" || digest !== "" ? [] : [`${familiarName(name.slice(0, -tag.length - 1))}:${tag}`];
  } catch {
    return []; // an image may have any name
  }
}
