// Archives into a real store through the real berth-unpack: what is good becomes an image, what is not leaves nothing.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { kindOf, messageOf, silent } from "@berth/base";
import { openDiffer, openImages } from "@berth/images";
import { Blobs, layout, named, smallLayer } from "../../scripts/bench/image-archive.ts";
import { makeTar, type TarEntry, writeBusyboxImage } from "../support/image.ts";
import { isRoot, openPlace, scope } from "./place.ts";

const NAME = "docker.io/library/busybox:test";

function archiveOf(options: Partial<Parameters<typeof writeBusyboxImage>[1]> = {}): Buffer {
  const dir = mkdtempSync("/tmp/berth-archive-");
  try {
    const path = join(dir, "image.tar");
    writeBusyboxImage(path, { format: "oci", name: NAME, ...options });
    return readFileSync(path);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const tar = (...members: TarEntry[]): Uint8Array => makeTar(members);
const sha = (hex: string): string => `blobs/sha256/${hex}`;

/** Changes one bit in the middle of a file. */
function flip(path: string): void {
  const bytes = readFileSync(path);
  chmodSync(path, 0o600);
  writeFileSync(
    path,
    bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte)),
  );
}

describe("importing an archive", { skip: isRoot ? false : "needs root" }, () => {
  const good: readonly (readonly [title: string, archive: () => Uint8Array])[] = [
    ["an OCI layout", () => archiveOf()],
    ["an OCI layout with zstd layers", () => archiveOf({ compression: "zstd" })],
    ["an OCI layout with plain layers", () => archiveOf({ compression: "none" })],
    ["an OCI layout in gzip", () => gzipSync(archiveOf())],
    ["an OCI layout in zstd", () => zstdCompressSync(archiveOf())],
    ["a docker archive", () => archiveOf({ format: "docker" })],
    ["a docker archive in gzip", () => gzipSync(archiveOf({ format: "docker" }))],
  ];
  for (const [title, archive] of good)
    it(`${title} becomes an image and its snapshot`, async () => {
      await using place = await openPlace();
      assert.deepEqual(await place.import(archive()), [NAME]);
      const image = await place.images.resolve(scope, NAME);
      assert.deepEqual(image.config.config.Cmd, ["sh"]);
      await place.store.collector.collect();
      assert.equal(place.store.snapshotter("native").stat(scope, image.chainId).kind, "committed");
      assert.equal(place.store.content.list(scope, []).length, 3, "manifest, config, layer: the rest is collected");
      assert.equal(place.store.leases.list("default", []).length, 0);
      const [top] = place.store.snapshotter("native").directories(scope, image.chainId);
      assert.match(readFileSync(join(top ?? "", "etc/passwd"), "utf8"), /^root:/);
    });

  it("a manifest or config whose bytes have changed is not believed, and the archive mends it", async () => {
    await using place = await openPlace();
    await place.import(archiveOf());
    const { manifest, configDescriptor } = await place.images.resolve(scope, NAME);
    for (const [what, { digest }] of Object.entries({ manifest, "image config": configDescriptor })) {
      const labels = place.store.content.info(scope, digest).labels;
      flip(await place.store.content.path(scope, digest));
      await place.reopen();
      const error = await place.images.resolve(scope, NAME).catch((reason: unknown) => reason);
      assert.equal(kindOf(error), "data-loss");
      assert.equal(
        messageOf(error),
        `${what} ${digest} is damaged (its bytes have changed): import or pull the image again`,
      );
      await place.import(archiveOf());
      assert.deepEqual((await place.images.resolve(scope, NAME)).manifest, manifest);
      assert.deepEqual(place.store.content.info(scope, digest).labels, labels);
    }
  });

  for (const compression of ["none", "gzip", "zstd"] as const)
    it(`a layer (${compression}) whose bytes have changed is not unpacked, and the archive mends it`, async () => {
      await using place = await openPlace();
      await place.import(archiveOf({ compression }));
      const image = await place.images.resolve(scope, NAME);
      const [layer] = image.layers;
      assert.ok(layer !== undefined);
      flip(await place.store.content.path(scope, layer.digest));
      const unpacked = () => place.store.snapshotter("overlayfs").list(scope, []).length;
      const error = await place.images.unpack(scope, image, "overlayfs").catch((reason: unknown) => reason);
      assert.equal(kindOf(error), "data-loss");
      assert.equal(
        messageOf(error),
        `layer ${layer.digest} is damaged (its bytes have changed): import or pull the image again`,
      );
      assert.equal(unpacked(), 0);
      assert.throws(() => place.store.content.info(scope, layer.digest), /damaged/);
      await place.import(archiveOf({ compression }));
      await place.images.unpack(scope, image, "overlayfs");
      assert.equal(unpacked(), 1);
    });

  it("an image is not exported without what is damaged", async () => {
    await using place = await openPlace();
    await place.import(archiveOf());
    const { layers } = await place.images.resolve(scope, NAME);
    truncateSync(await place.store.content.path(scope, layers[0]?.digest ?? ""), 100);
    await assert.rejects(async () => {
      for await (const _part of (await place.images.exportArchive(scope, [NAME], [])).bytes);
    }, /is damaged \(it has 100 bytes instead of/);
  });

  for (const format of ["oci", "docker"] as const)
    it(`the same archive of ${format} again mends what has been cut short or changed`, async () => {
      await using place = await openPlace();
      const { content } = place.store;
      await place.import(archiveOf({ format }));
      await place.store.collector.collect();
      const before = place.held();
      const digests = content.list(scope, []).map(({ digest }) => digest);
      for (const [index, digest] of digests.entries()) {
        const path = await content.path(scope, digest);
        if (index === 0) truncateSync(path, readFileSync(path).length - 1);
        else flip(path);
        assert.notEqual(await content.verify(digest), null);
      }
      await place.import(archiveOf({ format }));
      for (const digest of digests) assert.equal(await content.verify(digest), null);
      await place.store.collector.collect();
      assert.deepEqual(place.held(), before);
    });

  it("the same archive twice changes nothing", async () => {
    await using place = await openPlace();
    await place.import(archiveOf());
    await place.store.collector.collect();
    const before = place.held();
    await place.import(archiveOf());
    await place.store.collector.collect();
    assert.deepEqual(place.held(), before);
  });

  it("two hundred small images take a few dozen transactions", async () => {
    await using place = await openPlace();
    const blobs = new Blobs();
    const images = Array.from({ length: 200 }, (_, at) =>
      named(blobs.image([smallLayer()], { config: { author: String(at) } }), `docker.io/library/many:${at}`),
    );
    const bytes = (async function* () {
      yield layout(blobs, images);
    })();
    const before = place.commits();
    const options = { name: "", snapshotter: "", signal: new AbortController().signal };
    assert.equal((await place.images.importArchive(scope, bytes, options)).length, 200);
    assert.ok(place.commits() - before < 60, `${place.commits() - before} transactions`);
    await place.store.collector.collect();
    assert.equal(place.store.content.list(scope, []).length, 401, "manifests, configs, the layer");
  });

  it("tells what it has made, and which of the names are new", async () => {
    await using place = await openPlace();
    const told: string[] = [];
    using _listening = place.store.onChange(({ kind }) => told.push(kind));
    const importOnce = async () => {
      const bytes = (async function* () {
        yield archiveOf();
      })();
      const options = { name: "", snapshotter: "native", signal: new AbortController().signal };
      await place.images.importArchive(scope, bytes, options);
      return told.splice(0);
    };
    assert.deepEqual(await importOnce(), [
      ...Array(3).fill("content-created"),
      "snapshot-prepared",
      "snapshot-committed",
      "image-created",
    ]);
    assert.deepEqual(await importOnce(), ["image-updated"]);
  });

  it("an unnamed image takes the name that is given, and needs one", async () => {
    await using place = await openPlace();
    assert.deepEqual(await place.import(archiveOf({ name: "" }), { name: "mine:1" }), ["docker.io/library/mine:1"]);
    await assert.rejects(place.import(archiveOf({ name: "" })), /give it a name/);
  });

  it("docker's symlinked layers are found", async () => {
    await using place = await openPlace();
    const layer = makeTar([{ path: "x", content: "1" }]);
    const { createHash } = await import("node:crypto");
    const diffId = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
    const config = JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [diffId, diffId] },
    });
    const archive = tar(
      { path: "a/layer.tar", content: layer },
      { path: "b/layer.tar", type: "symlink", link: "../a/layer.tar" },
      { path: "c.json", content: config },
      {
        path: "manifest.json",
        content: JSON.stringify([{ Config: "c.json", RepoTags: ["two"], Layers: ["a/layer.tar", "b/layer.tar"] }]),
      },
    );
    assert.deepEqual(await place.import(archive), ["docker.io/library/two:latest"]);
  });

  it("what is exported is imported again, the same", async () => {
    await using place = await openPlace();
    await place.import(archiveOf());
    const parts: Uint8Array[] = [];
    for await (const part of (await place.images.exportArchive(scope, [NAME], [])).bytes)
      parts.push(Uint8Array.from(part));
    await using other = await openPlace();
    assert.deepEqual(await other.import(Buffer.concat(parts)), [NAME]);
    assert.equal(other.store.images.get(scope, NAME).target.digest, place.store.images.get(scope, NAME).target.digest);
  });

  const index = (digest: string, size: number): string =>
    JSON.stringify({
      schemaVersion: 2,
      manifests: [
        {
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          digest: `sha256:${digest}`,
          size,
          annotations: { "io.containerd.image.name": NAME },
        },
      ],
    });

  const bad: readonly (readonly [title: string, archive: () => Uint8Array, kind: string, message: RegExp])[] = [
    ["nothing at all", () => new Uint8Array(), "invalid-argument", /neither an index.json/],
    ["bytes that are no tar", () => Buffer.alloc(4096, "nonsense"), "invalid-argument", /not a tar archive/],
    [
      "a tar of something else",
      () => tar({ path: "readme", content: "x" }),
      "invalid-argument",
      /neither an index.json/,
    ],
    ["xz", () => Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]), "unimplemented", /compressed with xz/],
    ["an archive cut in a blob", () => archiveOf().subarray(0, 500_000), "data-loss", /truncated.*"blobs\/sha256\//],
    ["a gzip archive cut short", () => gzipSync(archiveOf()).subarray(0, 300_000), "data-loss", /not valid gzip data/],
    [
      "a blob with another digest",
      () => tar({ path: sha("0".repeat(64)), content: "x" }),
      "failed-precondition",
      /"blobs\/sha256\/0{64}" has the digest sha256:2d711642/,
    ],
    [
      "a member that climbs",
      () => tar({ path: "../../etc/passwd", content: "x" }),
      "invalid-argument",
      /"..\/..\/etc\/passwd" leads out of the archive/,
    ],
    [
      "an index of 9 MB",
      () => tar({ path: "index.json", content: " ".repeat(9 << 20) }),
      "invalid-argument",
      /index.json has 9437184 bytes: at most 4194304/,
    ],
    [
      "a layout of another version",
      () =>
        tar({ path: "oci-layout", content: '{"imageLayoutVersion":"2.0.0"}' }, { path: "index.json", content: "{}" }),
      "invalid-argument",
      /oci-layout is of version "2.0.0": only 1.0.0 is known/,
    ],
    [
      "an index that is no JSON",
      () => tar({ path: "index.json", content: "{" }),
      "invalid-argument",
      /index.json is not valid JSON/,
    ],
    [
      "an index whose manifests are a number",
      () => tar({ path: "index.json", content: '{"manifests":7}' }),
      "invalid-argument",
      /manifests of the archive's index.json is not a list/,
    ],
    [
      "a manifest that is missing",
      () => tar({ path: "index.json", content: index("a".repeat(64), 5) }),
      "failed-precondition",
      /manifest sha256:a{64} is not in the content store/,
    ],
    [
      "docker's manifest with a missing layer",
      () =>
        tar(
          { path: "c.json", content: "{}" },
          { path: "manifest.json", content: '[{"Config":"c.json","RepoTags":["a:b"],"Layers":["x/layer.tar"]}]' },
        ),
      "failed-precondition",
      /"x\/layer.tar", which is not in the archive/,
    ],
    [
      "a layer that climbs",
      () => archiveOf({ extraLayers: [makeTar([{ path: "../../evil", content: "x" }])] }),
      "invalid-argument",
      /"..\/..\/evil" leads out of the layer's root/,
    ],
    [
      "a layer that is no tar",
      () => archiveOf({ extraLayers: [Buffer.alloc(1024, "x")] }),
      "invalid-argument",
      /not a tar archive/,
    ],
  ];
  for (const [title, archive, kind, message] of bad)
    it(`${title} is refused and leaves nothing`, async () => {
      await using place = await openPlace();
      const error = await place.import(archive()).then(
        () => assert.fail("it was accepted"),
        (reason: unknown) => reason,
      );
      assert.match(messageOf(error), message);
      assert.equal(kindOf(error), kind);
      assert.deepEqual(place.held(), { images: [], content: [], ingests: 0, leases: 0, snapshots: [] });
      assert.deepEqual(readdirSync(join(place.dir, "state/unpack")), []);
    });

  it("a manifest of 100 MB is refused by its size and leaves nothing", async () => {
    await using place = await openPlace();
    const content = Buffer.alloc(100 << 20, " ");
    const { createHash } = await import("node:crypto");
    const hex = createHash("sha256").update(content).digest("hex");
    const archive = tar({ path: sha(hex), content }, { path: "index.json", content: index(hex, content.length) });
    await assert.rejects(
      place.import(archive),
      new RegExp(`manifest sha256:${hex} has 104857600 bytes: at most 4194304`),
    );
    assert.deepEqual(place.held(), { images: [], content: [], ingests: 0, leases: 0, snapshots: [] });
  });

  it("a canceled import leaves nothing", async () => {
    await using place = await openPlace();
    const controller = new AbortController();
    controller.abort();
    const error = await place.import(archiveOf(), { signal: controller.signal }).catch((reason: unknown) => reason);
    assert.equal(kindOf(error), "canceled");
    assert.deepEqual(place.held(), { images: [], content: [], ingests: 0, leases: 0, snapshots: [] });
  });

  it("a diff id that does not match names the layer and both digests", async () => {
    await using place = await openPlace();
    await place.import(archiveOf());
    const image = await place.images.resolve(scope, NAME);
    const wrong = `sha256:${"b".repeat(64)}`;
    const config = { ...image.config, diffIds: [wrong] };
    await assert.rejects(
      place.images.unpack(scope, { ...image, config, chainId: wrong }, "native"),
      (error: Error) =>
        kindOf(error) === "failed-precondition" &&
        [image.layers[0]?.digest ?? "", wrong, image.config.diffIds[0] ?? ""].every((part) =>
          error.message.includes(part),
        ),
    );
    assert.equal(place.store.snapshotter("native").list(scope, []).length, 1);
  });

  it("an unpack program that is missing is named", async () => {
    await using place = await openPlace();
    const differ = openDiffer({
      store: place.store,
      unpackPath: "/no/berth-unpack",
      stateDir: join(place.dir, "s"),
      log: silent,
    });
    const images = openImages({ store: place.store, differ, log: silent });
    writeFileSync(join(place.dir, "a.tar"), archiveOf());
    const archive = (async function* () {
      yield readFileSync(join(place.dir, "a.tar"));
    })();
    await assert.rejects(
      images.importArchive(scope, archive, { name: "", snapshotter: "native", signal: new AbortController().signal }),
      /\/no\/berth-unpack cannot be run: .*ENOENT/,
    );
    assert.deepEqual(place.held(), { images: [], content: [], ingests: 0, leases: 0, snapshots: [] });
  });
});
