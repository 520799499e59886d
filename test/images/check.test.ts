// Images that are whole, and those of which something is damaged or missing, in a real store.
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { CheckOptions, ImageCheck } from "@berth/images";
import { makeTar, writeBusyboxImage } from "../support/image.ts";
import { isRoot, openPlace, type Place, scope } from "./place.ts";

const NAME = "docker.io/library/busybox:check";
const OCI = "application/vnd.oci.image";

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
const twoLayers = () => archiveOf({ extraLayers: [makeTar([{ path: "more", content: "1" }])] });

async function check(place: Place, options: Partial<CheckOptions> & { name?: string } = {}): Promise<ImageCheck> {
  const { name = NAME, ...rest } = options;
  const signal = new AbortController().signal;
  const found = await place.images.check(scope, name, {
    repair: false,
    signal,
    verified: new Set(),
    onProgress: () => {},
    ...rest,
  });
  assert.ok(found !== null);
  return found;
}

const said = ({ state, problems }: ImageCheck): string[] => [
  state,
  ...problems.map(({ what, id, state: how, why }) => `${how} ${what} ${id}: ${why}`),
];

/** Changes one bit in the middle of a file. */
function flip(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

/** The store's blobs with their labels. */
const blobsOf = ({ store }: Place) => store.content.list(scope, []).map(({ digest, labels }) => ({ digest, labels }));

async function putBlob({ store }: Place, document: object | string): Promise<{ digest: string; size: number }> {
  const bytes = Buffer.from(typeof document === "string" ? document : JSON.stringify(document));
  await using writer = await store.content.writer(scope, {
    ref: `put-${process.hrtime.bigint()}`,
    total: 0,
    expected: "",
  });
  await writer.write(bytes);
  const { digest, size } = await writer.commit({
    size: 0,
    expected: "",
    labels: { "containerd.io/gc.root": "test" },
  });
  return { digest, size };
}

describe("checking an image", { skip: isRoot ? false : "needs root" }, () => {
  it("that is whole reads all of it, and shared blobs once", async () => {
    await using place = await openPlace();
    await place.import(twoLayers());
    const target = place.store.images.get(scope, NAME).target;
    place.store.images.create(scope, { name: "same", labels: {}, target });
    await place.store.collector.collect();
    const size = place.store.content.list(scope, []).reduce((sum, one) => sum + one.size, 0);
    const verified = new Set<string>();
    let last = [0, 0];
    const onProgress = (done: number, total: number) => {
      last = [done, total];
    };
    assert.deepEqual(await check(place, { verified, onProgress }), {
      name: NAME,
      digest: target.digest,
      state: "complete",
      problems: [],
      repaired: [],
    });
    assert.deepEqual(last, [size, size]);
    assert.equal(
      (await check(place, { name: "same", verified, onProgress: () => assert.fail("read again") })).state,
      "complete",
    );
  });

  const changed: [how: string, act: (path: string) => void, why: RegExp] = [
    "changed",
    flip,
    /^its bytes have changed$/,
  ];
  const damages: ["manifest" | "config" | "layer", ...typeof changed][] = [
    ["manifest", ...changed],
    ["config", "cut short", (path) => truncateSync(path, 9), /^it has 9 bytes instead of \d+$/],
    ["layer", "removed", (path) => rmSync(path), /^its file is missing$/],
    ["layer", ...changed],
  ];
  for (const [what, how, act, why] of damages)
    it(`says that its ${what} was ${how}; then nobody is given it, and the archive mends it`, async () => {
      await using place = await openPlace();
      await place.import(twoLayers());
      await place.store.collector.collect();
      const before = blobsOf(place);
      const { manifest, configDescriptor: config, layers } = await place.images.resolve(scope, NAME);
      const { digest } = { manifest, config, layer: layers[0] ?? manifest }[what];
      act(await place.store.content.path(scope, digest));
      const { state, problems } = await check(place);
      assert.equal(state, "damaged");
      assert.equal(problems.length, 1, "of what cannot be read nothing is said");
      assert.deepEqual([problems[0]?.what, problems[0]?.id, problems[0]?.state], [what, digest, "damaged"]);
      assert.match(problems[0]?.why ?? "", why);
      assert.throws(() => place.store.content.info(scope, digest), /not found: it is damaged/);
      assert.deepEqual(await check(place), await check(place, { repair: true }), "there is no copy");
      await place.import(twoLayers());
      await place.store.collector.collect();
      assert.deepEqual(said(await check(place)), ["complete"]);
      assert.deepEqual(blobsOf(place), before);
    });

  it("says what is missing, and the archive brings it back", async () => {
    await using place = await openPlace();
    await place.import(twoLayers());
    const { configDescriptor: config, layers } = await place.images.resolve(scope, NAME);
    for (const { digest } of [config, ...layers]) place.store.content.delete(scope, digest);
    const lost = "it is not in the content store";
    assert.deepEqual(said(await check(place)), [
      "missing",
      `missing config ${config.digest}: ${lost}`,
      ...layers.map(({ digest }) => `missing layer ${digest}: ${lost}`),
    ]);
    await place.import(twoLayers());
    assert.deepEqual(said(await check(place)), ["complete"]);
  });

  it("repairs from copies on the disk, labels and all", async () => {
    await using place = await openPlace();
    await place.import(twoLayers());
    await place.store.collector.collect();
    const before = blobsOf(place);
    const { manifest, configDescriptor: config, layers } = await place.images.resolve(scope, NAME);
    const aside = join(place.dir, "root/io.berth.quarantine.v1/20300101T120000.000Z/blobs");
    mkdirSync(aside, { recursive: true });
    const digests = [manifest, config, ...layers].map(({ digest }) => digest);
    for (const digest of digests) {
      const path = await place.store.content.path(scope, digest);
      writeFileSync(join(aside, digest.slice(7)), readFileSync(path));
      flip(path);
    }
    const { state, problems, repaired } = await check(place, { repair: true });
    assert.deepEqual([state, problems], ["complete", []]);
    assert.deepEqual(
      repaired.map(({ id }) => id),
      digests,
    );
    await place.store.collector.collect();
    assert.deepEqual(blobsOf(place), before);
    assert.deepEqual(said(await check(place)), ["complete"]);

    // Of what has lost its record the labels that hold the image together are made anew. A collection could come first
    // and take what they held.
    const held = place.store.leases.create("default", { id: "held", labels: {} }).id;
    for (const id of digests) place.store.leases.addResource("default", held, { id, type: "content" });
    place.store.content.delete(scope, manifest.digest);
    assert.deepEqual(
      (await check(place, { repair: true })).repaired.map(({ id }) => id),
      [manifest.digest],
    );
    place.store.leases.delete("default", held);
    await place.store.collector.collect();
    assert.deepEqual(blobsOf(place), before);
    assert.equal(place.store.leases.list("default", []).length, 0);
  });

  it("asks of an index only for what was fetched", async () => {
    await using place = await openPlace();
    const layer = { mediaType: `${OCI}.layer.v1.tar`, ...(await putBlob(place, "a layer")) };
    const gone = { mediaType: layer.mediaType, digest: `sha256:${"1".repeat(64)}`, size: 5 };
    let made = 0;
    const manifestOf = async (architecture: string, layers: object[]) => {
      const diffIds = layers.map(() => `sha256:${"2".repeat(64)}`);
      const config = { architecture, os: "linux", author: `${made++}`, rootfs: { type: "layers", diff_ids: diffIds } };
      const document = { config: { mediaType: `${OCI}.config.v1+json`, ...(await putBlob(place, config)) }, layers };
      return {
        mediaType: `${OCI}.manifest.v1+json`,
        ...(await putBlob(place, document)),
        platform: { architecture, os: "linux" },
      };
    };
    const absent = (architecture: string) => ({
      mediaType: `${OCI}.manifest.v1+json`,
      digest: `sha256:${"3".repeat(64)}`,
      size: 7,
      platform: { architecture, os: "linux" },
    });
    const host = process.arch === "arm64" ? "arm64" : "amd64";
    const indexOf = async (name: string, manifests: object[]) => {
      const target = { mediaType: `${OCI}.index.v1+json`, ...(await putBlob(place, { manifests })), annotations: {} };
      place.store.images.create(scope, { name, labels: {}, target });
      return said(await check(place, { name }));
    };
    const whole = await manifestOf(host, [layer]);
    const withoutLayers = await manifestOf("s390x", [gone]);
    const half = await manifestOf("riscv64", [layer, gone]);
    const cut = await manifestOf(host, [gone]);
    const lacks = `missing layer ${gone.digest}: it is not in the content store`;
    assert.deepEqual(await indexOf("one platform", [whole, absent("ppc64le")]), ["complete"]);
    assert.deepEqual(await indexOf("metadata of another", [whole, withoutLayers]), ["complete"]);
    assert.deepEqual(await indexOf("half of another", [whole, half]), ["missing", lacks]);
    assert.deepEqual(await indexOf("half of this", [cut, withoutLayers]), ["missing", lacks]);
    const [state, problem] = await indexOf("nothing of it", [absent(host)]);
    assert.equal(state, "missing");
    assert.match(problem ?? "", /^missing index .*: none of the manifests that it lists is in the content store$/);
  });

  it("says what is wrong with documents that are what they were, but of no use", async () => {
    await using place = await openPlace();
    const bad = await putBlob(place, "{");
    const target = { mediaType: `${OCI}.manifest.v1+json`, ...bad, annotations: {} };
    place.store.images.create(scope, { name: "bad", labels: {}, target });
    assert.deepEqual(said(await check(place, { name: "bad" })), [
      "damaged",
      `damaged manifest ${bad.digest}: manifest ${bad.digest} is not valid JSON`,
    ]);
    const other = await putBlob(place, "of no known type");
    place.store.images.create(scope, {
      name: "other",
      labels: {},
      target: { ...other, mediaType: "text/plain", annotations: {} },
    });
    assert.deepEqual(said(await check(place, { name: "other" })), ["complete"]);
    place.store.images.update(
      scope,
      { name: "other", labels: {}, target: { ...other, size: 7, mediaType: "text/plain", annotations: {} } },
      [],
    );
    assert.match(
      said(await check(place, { name: "other" }))[1] ?? "",
      /it has 16 bytes, but what refers to it says 7$/,
    );
  });

  for (const snapshotter of ["native", "overlayfs"])
    it(`a snapshot of ${snapshotter} whose directory is gone is unpacked again, unless somebody uses it`, async () => {
      await using place = await openPlace(snapshotter);
      await place.import(twoLayers());
      const { chainId, config } = await place.images.resolve(scope, NAME);
      const snapshots = place.store.snapshotter(snapshotter);
      const base = config.diffIds[0] ?? "";
      const [gone = ""] = snapshots.directories(scope, base);
      await snapshots.prepare(scope, "a container's", chainId, { "containerd.io/gc.root": "now" });
      renameSync(gone, `${gone}.gone`);
      const problem = `damaged snapshot (${snapshotter}) ${base}: its directory ${gone} is missing`;
      assert.deepEqual(said(await check(place)), ["damaged", problem]);
      const [, told = ""] = said(await check(place, { repair: true }));
      assert.ok(told.startsWith(`${problem}; it cannot be made again (cannot remove snapshot with child)`), told);
      await snapshots.remove(scope, "a container's");
      const { state, repaired } = await check(place, { repair: true });
      assert.deepEqual([state, repaired.map(({ id }) => id)], ["complete", [base]]);
      await place.store.collector.collect();
      assert.deepEqual(said(await check(place)), ["complete"]);
      const [top = ""] = snapshots.directories(scope, chainId);
      assert.equal(readFileSync(join(top, "more"), "utf8"), "1");
    });

  it("an image that is removed meanwhile has no problems", async () => {
    await using place = await openPlace();
    await place.import(twoLayers());
    const signal = new AbortController().signal;
    let isRemoved = false;
    const onProgress = () => {
      if (isRemoved) return;
      isRemoved = true;
      place.store.images.delete(scope, NAME);
      for (const { digest } of place.store.content.list(scope, [])) place.store.content.delete(scope, digest);
    };
    assert.equal(
      await place.images.check(scope, NAME, { repair: false, signal, verified: new Set(), onProgress }),
      null,
    );
    assert.ok(isRemoved);
  });

  it("ends with its signal and leaves nothing", async () => {
    await using place = await openPlace();
    await place.import(twoLayers());
    const before = place.held();
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error("enough"));
    await assert.rejects(check(place, { repair: true, signal: controller.signal, onProgress }), /^Error: enough$/);
    assert.deepEqual(place.held(), before);
  });
});
