// A hundred archives that nobody should be given: each is refused in one sentence, or read as all other tools read it.
// The same bytes every time.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { GrpcConnection } from "@berth/grpc";
import { Engine } from "@berth/proto/berth/v1";
import { makeTar, type TarEntry } from "../busybox-image.ts";
import {
  Blobs,
  chart,
  type Descriptor,
  END,
  layout,
  named,
  OCI,
  rawMember,
  sha256,
  signature,
  smallLayer,
  ZEROS,
} from "./image-archive.ts";

export interface HostileArchive {
  readonly title: string;
  /** The kind of the error, and what it says; null for one that becomes an image. */
  readonly refused: readonly [kind: string, message: RegExp] | null;
  archive(): Uint8Array | Iterable<Uint8Array>;
}

const MiB = 1 << 20;
const tar = (...members: TarEntry[]): Uint8Array => makeTar(members);
const join = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);
const all: HostileArchive[] = [];

function refuse(
  kind: string,
  message: RegExp,
  cases: Readonly<Record<string, () => Uint8Array | Iterable<Uint8Array>>>,
) {
  for (const [title, archive] of Object.entries(cases)) all.push({ title, refused: [kind, message], archive });
}
function take(cases: Readonly<Record<string, () => Uint8Array>>): void {
  for (const [title, archive] of Object.entries(cases)) all.push({ title, refused: null, archive });
}

/** A layout whose one image was changed. */
function imageWith(parts: { config?: object; manifest?: object }, layers = [smallLayer()]): Uint8Array {
  const blobs = new Blobs();
  return layout(blobs, [named(blobs.image(layers, parts))]);
}

/** A layout with an index.json of this text. */
const indexOf = (text: string | Uint8Array): Uint8Array => tar({ path: "index.json", content: text });

/** A docker archive of one config and this manifest. */
const docker = (manifest: string, ...more: TarEntry[]): Uint8Array =>
  tar({ path: "c.json", content: "{}" }, ...more, { path: "manifest.json", content: manifest });

/** Entries of a tar one by one: nobody holds all of it. */
function* many(count: number, entry: (position: number) => TarEntry): Generator<Uint8Array> {
  for (let at = 0; at < count; at += 500)
    yield makeTar(Array.from({ length: Math.min(500, count - at) }, (_, next) => entry(at + next))).subarray(0, -1_024);
  yield END;
}

/** A layout whose one blob is this text over and over, and which says that the blob is a manifest, or its config. */
function* hugeDocument(what: "manifest" | "config", text: string, times: number): Generator<Uint8Array> {
  const block = Buffer.from(text);
  const hash = createHash("sha256");
  for (let time = 0; time < times; time++) hash.update(block);
  const hex = hash.digest("hex");
  const size = block.length * times;
  yield rawMember({ path: `blobs/sha256/${hex}` }, (header) => header.write(size.toString(8).padStart(11, "0"), 124));
  for (let time = 0; time < times; time++) yield block;
  yield new Uint8Array((512 - (size % 512)) % 512);
  const huge = { mediaType: OCI[what], digest: `sha256:${hex}`, size };
  const blobs = new Blobs();
  const manifest = what === "manifest" ? huge : blobs.add(OCI.manifest, { schemaVersion: 2, config: huge, layers: [] });
  yield layout(blobs, [named(manifest)]);
}

// Not a tar, or one that is broken.
refuse("invalid-argument", /neither an index.json/, {
  "nothing at all": () => new Uint8Array(),
  "a tar of nothing": () => END,
  "a tar of something else": () => tar({ path: "README", content: "hello" }),
  "nothing but directories, 15,000 of them": () => many(15_000, (at) => ({ path: `d${at}`, type: "directory" })),
  "a directory called index.json": () => tar({ path: "index.json", type: "directory" }),
  "an index.json that is a link to the host's": () => tar({ path: "index.json", type: "symlink", link: "/etc/passwd" }),
  "an index.json that is a device": () => tar({ path: "index.json", type: "char", device: [1, 3] }),
  "15,000 small blobs that nothing names": () =>
    many(15_000, (at) => ({ path: `blobs/sha256/${sha256(String(at))}`, content: String(at) })),
  "15,000 small files that nothing names": () => many(15_000, (at) => ({ path: `x/${at}`, content: String(at) })),
  "a gigabyte of zeros in gzip, under a name that is passed over": () =>
    join(
      gzipSync(rawMember({ path: "._x" }, (header) => header.write("10000000000", 124))),
      ...Array<Uint8Array>(64).fill(gzipSync(Buffer.alloc(16 * MiB))),
      gzipSync(END),
    ),
});
refuse("invalid-argument", /not a tar archive/, {
  "bytes that are no tar": () => Buffer.alloc(64 << 10, "nonsense"),
  "gzip of what is no tar": () => gzipSync(Buffer.alloc(64 << 10, "nonsense")),
  "gzip in gzip": () => gzipSync(gzipSync(tar({ path: "x", content: "x" }), { level: 0 })),
  "a tar in UTF-16": () => Buffer.from(Buffer.from(tar({ path: "x" })).toString("latin1"), "utf16le"),
});
refuse("unimplemented", /compressed with/, {
  xz: () => Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]),
  bzip2: () => Buffer.from("BZh91AY&SY"),
  lz4: () => Buffer.from([0x04, 0x22, 0x4d, 0x18, 0, 0, 0, 0]),
});
refuse("data-loss", /not valid (gzip|zstd) data/, {
  "gzip that is cut short": () => gzipSync(imageWith({})).subarray(0, 300),
  "gzip that is damaged": () => join(gzipSync(imageWith({})).subarray(0, 100), Buffer.alloc(400, 0xff)),
  "zstd that is cut short": () => zstdCompressSync(imageWith({})).subarray(0, 300),
});
refuse("data-loss", /truncated/, {
  "a tar that ends in a header": () => imageWith({}).subarray(0, 700 + 512),
  "a tar that ends in a blob": () => tar({ path: "big", content: "x".repeat(5_000) }).subarray(0, 2_000),
  "a size in base 256 far beyond the end": () =>
    rawMember({ path: "big", content: "x" }, (header) =>
      header.set([0x80, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff], 124),
    ),
});
refuse("invalid-argument", /damaged: its checksum is wrong/, {
  "a second header with a wrong checksum": () => {
    const damaged = Buffer.from(tar({ path: "a", content: "x" }, { path: "b" }));
    damaged[1024] = 0x41;
    return damaged;
  },
});
refuse("invalid-argument", /extended header/, {
  "malformed pax records": () => extension("x", "99999 path=x\n"),
  "pax records of 2 MiB": () => extension("x", record("comment", "c".repeat(2 * MiB))),
  "pax headers of 300 KiB, five for one member": () =>
    join(...Array.from({ length: 5 }, () => extension("x", record("k", "v".repeat(300 << 10))))),
  "a long name of 3 MiB": () => extension("L", "n".repeat(3 * MiB)),
});
refuse("invalid-argument", /leads out of the archive/, {
  "a member that climbs": () => tar({ path: "../../etc/passwd", content: "x" }),
  "a member that climbs from within": () => tar({ path: "blobs/../../x", content: "x" }),
  "a hard link that climbs": () => tar({ path: "x", type: "hardlink", link: "../../etc/shadow" }),
});
refuse("invalid-argument", /negative size|zero byte|characters: at most|unknown type|empty name/, {
  "a negative size": () => rawMember({ path: "x" }, (header) => header.fill(0xff, 124, 136)),
  "a name with a zero byte": () => join(extension("x", record("path", "a\0b")), tar({ path: "x" })),
  "a name of 5,000 bytes": () => join(extension("x", record("path", "n".repeat(5_000))), tar({ path: "x" })),
  "a member of an unknown type": () => rawMember({ path: "x" }, (header) => header.write("Z", 156)),
  "a member without a name": () => rawMember({ path: "x" }, (header) => header.fill(0, 0, 100)),
});
refuse("unimplemented", /sparse file/, {
  "a sparse file": () => join(extension("x", record("GNU.sparse.major", "1")), tar({ path: "x" })),
});
refuse("invalid-argument", /more than \d+ (members|blobs|bytes behind its end)/, {
  "25,000 directories": () => many(25_000, (at) => ({ path: `d${at}`, type: "directory" })),
  "25,000 links": () => many(25_000, (at) => ({ path: `l${at}`, type: "symlink", link: "l0" })),
  "25,000 empty files": () => many(25_000, (at) => ({ path: `f${at}` })),
  "5,000 blobs of 5 kB": () => many(5_000, (at) => ({ path: `f${at}`, content: Buffer.alloc(5_000, String(at)) })),
  "1,500 blobs of 70 kB": () => many(1_500, (at) => ({ path: `f${at}`, content: Buffer.alloc(70_000, String(at)) })),
  "64 MiB of zeros behind the end": function* () {
    yield tar();
    for (let at = 0; at < 64; at++) yield Buffer.alloc(MiB);
  },
  "64 MiB of zeros behind the end, in gzip": () => gzipSync(Buffer.alloc(64 * MiB)),
});
refuse("failed-precondition", /has the digest sha256:/, {
  "a small blob under another's digest": () => tar({ path: `blobs/sha256/${"0".repeat(64)}`, content: "x" }),
  "a large blob under another's digest": () =>
    tar({ path: `blobs/sha256/${"0".repeat(64)}`, content: Buffer.alloc(MiB, "x") }),
});

// An index.json that is none.
refuse(
  "invalid-argument",
  /index.json is not (valid JSON|an object)|manifests of the archive's index.json is not a list/,
  {
    "an index that is empty": () => indexOf(""),
    "an index that ends early": () => indexOf('{"manifests":[{'),
    "an index that is a list": () => indexOf("[]"),
    "an index that is null": () => indexOf("null"),
    "an index that is a number": () => indexOf("7"),
    "an index in UTF-16": () => indexOf(Buffer.from('{"manifests":[]}', "utf16le")),
    "an index of zero bytes": () => indexOf(new Uint8Array(1_000)),
    "an index whose manifests are a number": () => indexOf('{"manifests":7}'),
    "an index whose manifests are an object": () => indexOf('{"manifests":{"0":{}}}'),
  },
);
refuse("invalid-argument", /at most 4194304 are accepted/, {
  "an index of 5 MiB": () => indexOf(" ".repeat(5 * MiB)),
  "a manifest of 110 MB of blanks": () => hugeDocument("manifest", " ".repeat(1_000_000), 110),
  "a manifest of 110 MB of brackets": () => hugeDocument("manifest", "[".repeat(1_000_000), 110),
  "a config of 110 MB": () => hugeDocument("config", '{"a":'.repeat(200_000), 110),
  "a manifest just too long": () => hugeDocument("manifest", " ".repeat(4 * MiB + 1), 1),
});
refuse("invalid-argument", /nested more than 100 deep/, {
  "an index of lists nested two million deep": () => indexOf("[".repeat(2_000_000)),
  "an index of objects nested half a million deep": () => indexOf('{"a":'.repeat(500_000)),
  "a manifest nested two million deep": () => hugeDocument("manifest", "[".repeat(2_000_000), 1),
  "a config nested two million deep": () => hugeDocument("config", "[".repeat(2_000_000), 1),
  "a docker manifest nested two million deep": () => docker("[".repeat(2_000_000)),
});
refuse("invalid-argument", /more than 100000 values/, {
  "an index of two million values": () => indexOf(`{"x":[${"1,".repeat(2_000_000)}1]}`),
  "an index of half a million keys": () =>
    indexOf(`{${Array.from({ length: 300_000 }, (_, at) => `"k${at}":1`).join(",")}}`),
  "a config of a million nulls": () => hugeDocument("config", `{"history":[${"null,".repeat(800_000)}null]}`, 1),
});
refuse("invalid-argument", /at most 1000 are accepted/, {
  "an index of 1,001 manifests": () => indexOf(JSON.stringify({ manifests: Array(1_001).fill({}) })),
  "a manifest of 1,001 layers": () => imageWith({ manifest: { layers: Array(1_001).fill({}) } }),
  "a config of 1,001 diff ids": () => imageWith({ config: { rootfs: { diff_ids: Array(1_001).fill(ZEROS) } } }),
  "a docker manifest of 30,000 images": () => docker(JSON.stringify(Array(30_000).fill({ Config: "c.json" }))),
  "a docker manifest of 1,001 layers": () =>
    docker(JSON.stringify([{ Config: "c.json", RepoTags: ["a:b"], Layers: Array(1_001).fill("c.json") }])),
});
refuse("invalid-argument", /more than 1000 names/, {
  "a docker manifest of 50,000 names": () =>
    docker(JSON.stringify([{ Config: "c.json", RepoTags: Array.from({ length: 50_000 }, (_, at) => `a:${at}`) }])),
});
refuse("invalid-argument", /nested more than 4 deep/, {
  "an index in an index, six times": () => {
    const blobs = new Blobs();
    let inner = blobs.image([smallLayer()]);
    for (let depth = 0; depth < 6; depth++) inner = blobs.add(OCI.index, { schemaVersion: 2, manifests: [inner] });
    return layout(blobs, [named(inner)]);
  },
});
refuse("not-found", /for platform linux/, {
  "an index of other platforms only": () => {
    const blobs = new Blobs();
    const image = blobs.image([smallLayer()]);
    const manifests = [{ ...image, platform: { os: "plan9", architecture: "mips" } }];
    return layout(blobs, [named(blobs.add(OCI.index, { schemaVersion: 2, manifests }))]);
  },
});

// Descriptors and documents that do not fit.
const entry = (parts: object): Uint8Array =>
  indexOf(JSON.stringify({ manifests: [{ mediaType: OCI.manifest, digest: ZEROS, size: 1, ...parts }] }));
refuse("invalid-argument", /manifest 0 of the archive's index.json/, {
  "an entry that is a number": () => indexOf('{"manifests":[7]}'),
  "an entry with a short digest": () => entry({ digest: "sha256:abc" }),
  "an entry with a digest that climbs": () => entry({ digest: "sha256:../../etc/passwd" }),
  "an entry with a digest that is a number": () => entry({ digest: 7 }),
  "an entry with a negative size": () => entry({ size: -1 }),
  "an entry with half a byte": () => entry({ size: 0.5 }),
  "an entry whose size is a word": () => entry({ size: "big" }),
  "an entry whose media type is a list": () => entry({ mediaType: [] }),
  "an entry whose annotations are a list": () => entry({ annotations: ["x"] }),
  "an entry whose platform is a word": () => entry({ platform: "linux/amd64" }),
});
refuse("invalid-argument", /reference|name/, {
  "a name that is no reference": () => {
    const blobs = new Blobs();
    const annotations = { "org.opencontainers.image.ref.name": "docker.io/library/UPPER CASE:1" };
    return layout(blobs, [{ ...blobs.image([smallLayer()]), annotations }]);
  },
  "a name of 100,000 characters": () => imageNamed(`docker.io/library/${"n".repeat(100_000)}:1`),
  "two images without a name": () => {
    const blobs = new Blobs();
    return layout(blobs, [blobs.image([smallLayer("a")]), blobs.image([smallLayer("b")])]);
  },
});
refuse("invalid-argument", /the archive has no image in it/, {
  "a thousand indexes of a thousand indexes of the same": () => {
    const blobs = new Blobs();
    let inner: Descriptor = blobs.add(OCI.index, { schemaVersion: 2, manifests: [] });
    for (let depth = 0; depth < 3; depth++)
      inner = blobs.add(OCI.index, { schemaVersion: 2, manifests: Array(1_000).fill(inner) });
    return layout(blobs, [named(inner)]);
  },
  "an index of nothing": () => indexOf('{"manifests":[]}'),
  "an index of another digest's algorithm only": () => entry({ digest: `sha512:${"0".repeat(128)}` }),
  "an index of a chart only": () => {
    const blobs = new Blobs();
    return layout(blobs, [chart(blobs)]);
  },
});
refuse("failed-precondition", /is not in the content store|not in the archive/, {
  "a manifest that is missing": () => entry({}),
  "a config that is missing": () =>
    imageWith({ manifest: { config: { mediaType: OCI.config, digest: ZEROS, size: 1 } } }),
  "a layer that is missing": () =>
    imageWith({ manifest: { layers: [{ mediaType: OCI.layer, digest: ZEROS, size: 1 }] } }),
  "a docker manifest whose config is missing": () => docker('[{"Config":"d.json","RepoTags":["a:b"],"Layers":[]}]'),
  "a docker manifest whose config is the host's": () =>
    docker('[{"Config":"../../../etc/passwd","RepoTags":["a:b"],"Layers":[]}]'),
  "a docker manifest whose layer is a ring of links": () =>
    docker(
      '[{"Config":"c.json","RepoTags":["a:b"],"Layers":["l1"]}]',
      { path: "l1", type: "symlink", link: "l2" },
      { path: "l2", type: "symlink", link: "l1" },
    ),
});
refuse(
  "invalid-argument",
  /both|is not a list|is not an object|is not a string|only sha256|diff ids|no valid size|not valid JSON/,
  {
    "a manifest that is an index as well": () => imageWith({ manifest: { manifests: [] } }),
    "a manifest whose layers are a word": () => imageWith({ manifest: { layers: "all" } }),
    "a manifest without a config": () => imageWith({ manifest: { config: undefined } }),
    "a manifest whose config is a list": () => imageWith({ manifest: { config: [] } }),
    "a layer of a negative size": () =>
      imageWith({ manifest: { layers: [{ mediaType: OCI.layer, digest: ZEROS, size: -1 }] } }),
    "a config whose command is a word": () => imageWith({ config: { config: { Cmd: "sh" } } }),
    "a config whose labels are a list": () => imageWith({ config: { config: { Labels: ["x"] } } }),
    "a config whose diff id is short": () => imageWith({ config: { rootfs: { diff_ids: ["sha256:abc"] } } }),
    "a config of fewer diff ids than layers": () => imageWith({ config: { rootfs: null } }),
    "a config that is a tar": () => {
      const blobs = new Blobs();
      const config = blobs.add(OCI.config, smallLayer());
      return layout(blobs, [named(blobs.add(OCI.manifest, { schemaVersion: 2, config, layers: [] }))]);
    },
    "a docker manifest of 90 images of 1,000 layers, all the same": () =>
      docker(
        JSON.stringify(
          Array.from({ length: 90 }, (_, at) => ({
            Config: "c.json",
            RepoTags: [`a:${at}`],
            Layers: Array(1_000).fill("c.json"),
          })),
        ),
      ),
    "a docker manifest that is an object": () => docker("{}"),
    "a docker manifest of a number": () => docker("[7]"),
    "a docker manifest whose config is a number": () => docker('[{"Config":7}]'),
    "a docker manifest whose layers are a number": () => docker('[{"Config":"c.json","Layers":7}]'),
  },
);
refuse("failed-precondition", /layers: overlayfs takes 500 at most/, {
  "an image of 1,000 layers": () => {
    const layer = smallLayer();
    return imageWith({}, Array<Uint8Array>(1_000).fill(layer));
  },
});

// Layers.
const diffIdOf = (layer: Uint8Array) => ({ rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] } });
const layerOf = (...members: TarEntry[]): Uint8Array => imageWith({}, [makeTar(members)]);
refuse("failed-precondition", /but the image's config says/, {
  "a diff id of another layer": () => imageWith({ config: diffIdOf(smallLayer("another")) }),
});
refuse("invalid-argument", /leads out|not there|reserved|names no file|not a directory|not a tar|too many symbolic/, {
  "a layer that climbs": () => layerOf({ path: "../../evil", content: "x" }),
  "a layer whose hard link climbs": () => layerOf({ path: "h", type: "hardlink", link: "../../etc/shadow" }),
  "a layer whose hard link leads nowhere": () => layerOf({ path: "h", type: "hardlink", link: "none" }),
  "a layer with overlayfs's own whiteout": () => layerOf({ path: "gone", type: "char", device: [0, 0] }),
  "a layer with a whiteout of nothing": () => layerOf({ path: "a/.wh..", content: "" }),
  "a layer with a file in the way of a directory": () => layerOf({ path: "a" }, { path: "a/b" }),
  "a layer that is no tar": () => imageWith({}, [Buffer.alloc(64 << 10, "x")]),
  "a layer with a ring of links": () =>
    layerOf({ path: "a", type: "symlink", link: "b" }, { path: "b", type: "symlink", link: "a" }, { path: "a/x" }),
});
refuse("data-loss", /truncated|not valid gzip data/, {
  "a layer that ends early": () => imageWith({}, [tar({ path: "big", content: "x".repeat(5_000) }).subarray(0, 2_000)]),
  "a layer in gzip that ends early": () =>
    imageWith({}, [gzipSync(smallLayer("x", "y".repeat(9_000))).subarray(0, 60)]),
});
refuse("unimplemented", /compressed with xz|which is not supported/, {
  "a layer in xz": () => imageWith({}, [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2])]),
  "a layer that is encrypted": () => {
    const blobs = new Blobs();
    const layer = blobs.add(`${OCI.layer}+gzip+encrypted`, smallLayer());
    return layout(blobs, [named(blobs.image([smallLayer()], { manifest: { layers: [layer] } }))]);
  },
});

// Odd, and read as all others read them.
take({
  "an image beside a chart, a signature and strangers": () => {
    const blobs = new Blobs();
    const image = blobs.image([smallLayer()]);
    const other = { mediaType: OCI.manifest, digest: `sha512:${"0".repeat(128)}`, size: 7 };
    const signatures = blobs.add(OCI.index, { schemaVersion: 2, manifests: [signature(blobs)] });
    return layout(blobs, [chart(blobs), signature(blobs), signatures, other, named(image)], strangers);
  },
  "an index without platforms, of a signature and an image": () => {
    const blobs = new Blobs();
    const manifests = [signature(blobs), chart(blobs), { ...blobs.image([smallLayer()]) }];
    return layout(blobs, [named(blobs.add(OCI.index, { schemaVersion: 2, manifests }))]);
  },
  "an image without layers": () => imageWith({ config: { rootfs: null } }, []),
  "keys in another case, nulls and bytes of Latin-1": () => {
    const blobs = new Blobs();
    const layer = smallLayer();
    const config = blobs.add(
      OCI.config,
      Buffer.from(
        `{"OS":"linux","Architecture":"${process.arch === "arm64" ? "arm64" : "amd64"}","CONFIG":{"env":["","=x",null,"A=1"],"labels":{"a":null},"author":"M\xfcller","StopSignal":"SIGNONSENSE"},"RootFS":{"Diff_IDs":["sha256:${sha256(layer)}"]}}`,
        "latin1",
      ),
    );
    const manifest = { SchemaVersion: 2, Config: config, LAYERS: [blobs.add(OCI.layer, layer)] };
    return layout(blobs, [named(blobs.add(OCI.manifest, manifest))]);
  },
  "an index that comes a thousand times, of which the last counts": () => {
    const blobs = new Blobs();
    const image = named(blobs.image([smallLayer()]));
    const wrong = Array.from({ length: 1_000 }, (): TarEntry => ({ path: "index.json", content: "{" }));
    return join(makeTar(wrong).subarray(0, -1024), layout(blobs, [image]));
  },
});

const strangers: readonly TarEntry[] = [
  { path: ".DS_Store", content: "mac" },
  { path: "._index.json", content: "mac" },
  { path: "README", content: "read me" },
  { path: "blobs/.DS_Store", content: "mac" },
  { path: "blobs/sha256/._x", content: "mac" },
  { path: "blobs/sha256/README", content: "read me" },
  { path: "blobs/sha512/abc", content: "another algorithm" },
  { path: "blobs/md5/x", content: "another algorithm" },
];

function imageNamed(name: string): Uint8Array {
  const blobs = new Blobs();
  return layout(blobs, [named(blobs.image([smallLayer()]), name)]);
}

function extension(flag: string, body: string): Uint8Array {
  return rawMember({ path: "extension", content: body }, (header) => header.write(flag, 156));
}

function record(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

export const hostileArchives: readonly HostileArchive[] = all;

/** As the client sends them; the names that it became. */
export async function importHostile(
  { service }: GrpcConnection,
  namespace: string,
  archive: Uint8Array | Iterable<Uint8Array>,
): Promise<string[]> {
  const requests = (async function* () {
    for (const part of archive instanceof Uint8Array ? [archive] : archive)
      for (let at = 0; at < part.length; at += CHUNK) yield { data: part.subarray(at, at + CHUNK) };
  })();
  const { images } = await service(Engine).importImage(requests, { namespace });
  return images.map(({ name }) => name);
}

const CHUNK = 256 << 10;

/** The most that a process has had resident, in bytes. */
export const peakMemory = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
