// Images for a registry, made out of nothing: manifests, indexes and what they name, as bytes by digest. The same options
// give the same bytes.
import { createCipheriv, createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type BusyboxConfig, busyboxEntries, makeTar, type TarEntry } from "../image.ts";
import { artifactTypes, type Family, type ImageTypes, imageTypes } from "./image-types.ts";

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** Of the image specification, as far as tests need it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Platform;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest or an index, with everything below it. */
export interface Part {
  /** As an index names it. */
  readonly descriptor: Descriptor;
  /** By digest; its own, too. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

/** A layer with one file of this size. */
export interface GeneratedLayer {
  readonly size: number;
  /** `random` does not compress, `text` does. Default: random. */
  readonly content?: "random" | "text";
  /** Another seed, other bytes. Default: the layer's place in the image. */
  readonly seed?: string;
}

export interface ImageOptions {
  /** `OS/ARCHITECTURE[/VARIANT]`. Default: this machine's. */
  readonly platform?: string;
  /** A first layer with the machine's own busybox: the image can be run. */
  readonly busybox?: boolean;
  readonly layers?: readonly (GeneratedLayer | readonly TarEntry[])[];
  /** Of the layers. Default: gzip. */
  readonly compression?: "none" | "gzip" | "zstd";
  /** Media types. Default: oci. */
  readonly types?: Family;
  readonly config?: BusyboxConfig;
}

const compressions = { none: (tar: Uint8Array) => tar, gzip: gzipSync, zstd: zstdCompressSync };

export function imageOf(options: ImageOptions = {}): Part {
  const { platform = thisPlatform, compression = "gzip", types = "oci" } = options;
  const mediaTypes = imageTypes[types];
  const tars = tarsOf(options);
  const layers = tars.map((tar) => blobOf(mediaTypes.layer[compression], compressions[compression](tar)));
  const config = jsonOf(mediaTypes.config, {
    ...parsePlatform(platform),
    config: { Env: ["PATH=/bin"], Cmd: ["sh"], ...options.config },
    rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
    history: tars.map(() => ({ created_by: "berth test" })),
  });
  return manifestOf(mediaTypes, { config, layers, platform: parsePlatform(platform) });
}

/** What buildx puts beside an image, for the platform `unknown/unknown`: who built the subject, and how. */
export function attestationOf(subject: Part): Part {
  const statement = jsonOf("application/vnd.in-toto+json", {
    _type: "https://in-toto.io/Statement/v0.1",
    subject: [{ name: "_", digest: { sha256: subject.descriptor.digest.replace("sha256:", "") } }],
  });
  const unknown = { os: "unknown", architecture: "unknown" };
  const config = jsonOf(imageTypes.oci.config, {
    ...unknown,
    config: {},
    rootfs: { type: "layers", diff_ids: [statement.descriptor.digest] },
  });
  const annotations = {
    "vnd.docker.reference.type": "attestation-manifest",
    "vnd.docker.reference.digest": subject.descriptor.digest,
  };
  return manifestOf(imageTypes.oci, { config, layers: [statement], platform: unknown, annotations });
}

/** No image: a manifest of the image specification 1.1 with some file, which may refer to another manifest. */
export function artifactOf(content: string, subject?: Part): Part {
  const config = jsonOf(artifactTypes.config, {});
  const layers = [blobOf(artifactTypes.content, Buffer.from(content))];
  const { mediaType, digest, size } = subject?.descriptor ?? { mediaType: "", digest: "", size: 0 };
  const more = { artifactType: artifactTypes.artifact, ...(subject && { subject: { mediaType, digest, size } }) };
  const part = manifestOf(imageTypes.oci, { config, layers, more });
  return { ...part, descriptor: { ...part.descriptor, artifactType: artifactTypes.artifact } };
}

/** Of images, other indexes, and anything else with a manifest. */
export function indexOf(parts: readonly Part[], types: Family = "oci"): Part {
  const { index: mediaType } = imageTypes[types];
  const manifests = parts.map(({ descriptor }) => descriptor);
  return join(jsonOf(mediaType, { schemaVersion: 2, mediaType, manifests }), parts);
}

interface ManifestOptions {
  readonly config: Part;
  readonly layers: readonly Part[];
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Fields of the manifest. */
  readonly more?: object;
}

function manifestOf({ manifest: mediaType }: ImageTypes, options: ManifestOptions): Part {
  const { config, layers, more, ...described } = options;
  const fields = { config: config.descriptor, layers: layers.map(({ descriptor }) => descriptor), ...more };
  const part = join(jsonOf(mediaType, { schemaVersion: 2, mediaType, ...fields }), [config, ...layers]);
  return { ...part, descriptor: { ...part.descriptor, ...described } };
}

const join = (top: Part, below: readonly Part[]): Part => ({
  ...top,
  blobs: new Map([top, ...below].flatMap(({ blobs }) => [...blobs])),
});

function blobOf(mediaType: string, bytes: Uint8Array): Part {
  const digest = digestOf(bytes);
  return { descriptor: { mediaType, digest, size: bytes.length }, blobs: new Map([[digest, bytes]]) };
}

const jsonOf = (mediaType: string, value: object): Part => blobOf(mediaType, Buffer.from(JSON.stringify(value)));

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const thisPlatform = `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`;

function parsePlatform(text: string): Platform {
  const [os = "", architecture = "", variant] = text.split("/");
  return { os, architecture, ...(variant !== undefined && { variant }) };
}

function tarsOf({ busybox = false, layers = [] }: ImageOptions): Uint8Array[] {
  const generated = layers.map((layer, place) => makeTar("size" in layer ? [fileOf(layer, place)] : layer));
  return busybox ? [makeTar(busyboxEntries()), ...generated] : generated;
}

function fileOf({ size, content = "random", seed = "" }: GeneratedLayer, place: number): TarEntry {
  const name = seed || `${place}`;
  return { path: `data-${name}`, content: content === "random" ? randomBytes(size, name) : textOf(size, name) };
}

/** A key stream: no two seeds have the same, and it looks like chance. */
function randomBytes(size: number, seed: string): Uint8Array {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

const textOf = (size: number, seed: string): Uint8Array => Buffer.alloc(size, `a line of the file ${seed}\n`);
