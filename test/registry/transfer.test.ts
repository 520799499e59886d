// containerd's transfer service over our own gRPC client: pulls, pushes, archives and names, and what is left when they fail.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { BerthError } from "@berth/base";
import { connectGrpc, type GrpcConnection } from "@berth/grpc";
import { type Init, packAny } from "@berth/proto";
import { Content } from "@berth/proto/containerd/services/content/v1";
import { Images } from "@berth/proto/containerd/services/images/v1";
import { Leases } from "@berth/proto/containerd/services/leases/v1";
import { Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import {
  AuthType,
  ImageExportStream,
  ImageImportStream,
  ImageStore,
  OCIRegistry,
  type Progress,
  type RegistryResolver,
} from "@berth/proto/containerd/types/transfer";
import { startBerthd } from "../support/berthd.ts";
import { hasRegistry, type Registry, startRegistry } from "../support/registry/docker-registry.ts";
import { imageOf, indexOf } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { startFaultyMirror } from "../support/registry/mirror.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { startTokenServer } from "../support/registry/token-server.ts";
import { upload } from "../support/registry/upload.ts";
import { answerQuestions, openStream, readBytes, sendBytes, transfer } from "../support/transfer.ts";

const own = takeOwnTmp();
after(own.remove);

const needs = process.getuid?.() !== 0 ? "needs root" : hasRegistry() ? false : "needs docker-registry";
const namespace = `transfer-${process.pid}`;
const architecture = process.arch === "x64" ? "amd64" : process.arch;
const platform = { os: "linux", architecture };
const here = imageOf({ busybox: true, layers: [{ size: 300_000, seed: "here" }] });
const elsewhere = imageOf({ platform: "linux/s390x", layers: [{ size: 1_000, seed: "elsewhere" }] });
const index = indexOf([here, elsewhere]);

const registryOf = (reference: string, resolver: Init<RegistryResolver> = {}) =>
  packAny(OCIRegistry, { reference, resolver });
const storeOf = (store: Init<ImageStore>) => packAny(ImageStore, store);
const eventsOf = (told: readonly Progress[], name: string) =>
  told.filter((one) => one.name.startsWith(name)).map(({ event }) => event);

describe("containerd's transfer service", { skip: needs }, () => {
  const undo = new AsyncDisposableStack();
  let registry: Registry;
  let connection: GrpcConnection;
  const send = (source: ReturnType<typeof storeOf>, destination: ReturnType<typeof storeOf>) =>
    transfer(connection, namespace, source, destination);
  const images = async () => {
    const { images: all } = await connection.service(Images).list({}, { namespace });
    return new Map(all.map((image) => [image.name, image]));
  };
  const blobs = async (): Promise<Set<string>> => {
    const told = await Array.fromAsync(connection.service(Content).list({}, { namespace }));
    return new Set(told.flatMap(({ info }) => info.map(({ digest }) => digest)));
  };
  const snapshots = async (): Promise<number> => {
    const told = await Array.fromAsync(connection.service(Snapshots).list({ snapshotter: "overlayfs" }, { namespace }));
    return told.flatMap(({ info }) => info).length;
  };
  /** It fails with this kind and these words, and nothing of it is left. */
  async function refused(
    work: Promise<unknown>,
    kind: BerthError["kind"] | ((error: BerthError) => boolean),
    words: RegExp,
  ): Promise<void> {
    const before = [...(await images()).keys()];
    await assert.rejects(work, (error: BerthError) => {
      if (typeof kind === "string") assert.equal(error.kind, kind, error.message);
      else assert.ok(kind(error), error.kind);
      assert.match(error.message, words);
      return true;
    });
    assert.deepEqual([...(await images()).keys()], before);
    assert.deepEqual((await connection.service(Leases).list({}, { namespace })).leases, []);
    assert.deepEqual((await connection.service(Content).listStatuses({}, { namespace })).statuses, []);
  }
  async function exported(store: Init<ImageStore>, how: Init<ImageExportStream> = {}): Promise<Buffer> {
    const stream = await openStream(connection, namespace);
    const bytes = readBytes(stream);
    bytes.catch(() => {}); // awaited below, unless the transfer fails
    const told = await send(storeOf(store), packAny(ImageExportStream, { ...how, stream: stream.id }));
    assert.deepEqual(
      told.map(({ event }) => event),
      ["Exporting", "Completed export"],
    );
    return await bytes;
  }
  async function imported(bytes: Uint8Array, store: Init<ImageStore>): Promise<Progress[]> {
    const stream = await openStream(connection, namespace);
    const biggest = sendBytes(stream, bytes);
    const told = await send(packAny(ImageImportStream, { stream: stream.id }), storeOf(store));
    assert.ok((await biggest) <= 128 << 10);
    return told;
  }

  before(async () => {
    registry = undo.use(await startRegistry());
    await upload(makeLayout(join(own.dir, "one"), here), registry, "one", "1");
    await upload(makeLayout(join(own.dir, "many"), index), registry, "many", "1");
    // Without what this machine says of registries.
    const config = `[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = ${JSON.stringify(join(own.dir, "hosts"))}\n`;
    const berthd = await startBerthd({ config });
    undo.defer(() => berthd.stop());
    connection = undo.use(connectGrpc(berthd.address));
  });
  after(async () => {
    await undo.disposeAsync();
    own.assertNothingLeft();
  });

  it("pulls one platform with all metadata, unpacks it, and names it as it was told", async () => {
    const reference = `${registry.address}/many:1`;
    const told = await send(
      registryOf(reference),
      storeOf({
        name: reference,
        labels: { made: "here" },
        platforms: [platform],
        unpacks: [{ platform, snapshotter: "" }],
        allMetadata: true,
        extraReferences: [
          { name: "example.com/also:1" },
          { name: "example.com/exact", addDigest: true },
          { name: "example.com/unused", isPrefix: true },
        ],
      }),
    );
    const names = [reference, "example.com/also:1", `example.com/exact@${index.descriptor.digest}`];
    const found = await images();
    assert.deepEqual([...found.keys()].sort(), names.toSorted());
    for (const name of names) {
      assert.equal(found.get(name)?.target?.digest, index.descriptor.digest);
      assert.deepEqual({ ...found.get(name)?.labels }, { made: "here" });
    }
    const has = await blobs();
    assert.ok([...here.blobs.keys()].every((digest) => has.has(digest)));
    // Of the other platform the manifest and the config.
    assert.equal([...elsewhere.blobs.keys()].filter((digest) => has.has(digest)).length, 2);
    assert.equal(await snapshots(), 2);

    assert.deepEqual(eventsOf(told, "").slice(0, 3), [
      `Resolving from OCI Registry (${reference})`,
      `Pulling from OCI Registry (${reference})`,
      "fetching image content",
    ]);
    assert.equal(told.at(-1)?.event, `Completed pull from OCI Registry (${reference})`);
    const top = `index-${index.descriptor.digest}`;
    const manifest = `manifest-${here.descriptor.digest}`;
    const parentsOf = (name: string) =>
      told.find((one) => one.name.startsWith(name) && one.parents.length > 0)?.parents;
    assert.deepEqual(parentsOf(top), [reference]);
    assert.deepEqual(parentsOf(manifest), [top]);
    assert.deepEqual(parentsOf("layer-"), [manifest]);
    for (const name of [top, manifest]) assert.equal(eventsOf(told, name).at(-1), "complete");
    for (const name of names) assert.equal(eventsOf(told, name).at(-1), "saved");
    const last = told.findLast((one) => one.name.startsWith("layer-"));
    assert.deepEqual([last?.event, last?.progress], ["complete", last?.total]);
  });

  it("replaces what a name has meant, with its labels", async () => {
    const name = "example.com/also:1";
    const told = await send(registryOf(`${registry.address}/one:1`), storeOf({ name, labels: { made: "again" } }));
    const image = (await images()).get(name);
    assert.deepEqual([image?.target?.digest, { ...image?.labels }], [here.descriptor.digest, { made: "again" }]);
    assert.deepEqual(eventsOf(told, "layer-"), ["already exists", "already exists"]);
  });

  it("asks the client for credentials where the registry wants some", async () => {
    await using tokens = await startTokenServer({ users: { otto: "secret" } });
    await using guarded = await startRegistry({ auth: tokens.auth });
    const reference = `${guarded.address}/kept:1`;
    const asking = async (source: boolean, secret: string) => {
      const stream = await openStream(connection, namespace);
      const hosts = answerQuestions(stream, (asked) => {
        assert.equal(asked.reference, reference);
        return { authType: AuthType.CREDENTIALS, username: "otto", secret };
      });
      hosts.catch(() => {}); // awaited below, unless the transfer fails
      const at = registryOf(reference, { authStream: stream.id });
      const image = storeOf({ name: "example.com/also:1" });
      await (source ? send(at, storeOf({ name: "kept" })) : send(image, at));
      return await hosts;
    };
    assert.deepEqual(await asking(false, "secret"), [guarded.address]);
    assert.deepEqual(await asking(true, "secret"), [guarded.address]);
    assert.equal((await images()).get("kept")?.target?.digest, here.descriptor.digest);
    await refused(asking(true, "wrong"), "unauthenticated", /refuses the credentials/);
    await refused(send(registryOf(reference), storeOf({ name: "x" })), "unauthenticated", /wants to know who asks/);
  });

  it("sends the client's headers to the registry", async () => {
    await using mirror = await startFaultyMirror(registry, []);
    const reference = `${new URL(mirror.url).host}/one:1`;
    await send(registryOf(reference, { headers: { "X-Meta": "berth" } }), storeOf({ name: "headers" }));
    assert.ok(mirror.requests.length > 0);
    assert.ok(mirror.requests.every(({ headers }) => headers["x-meta"] === "berth"));
  });

  it("pushes, part below part", async () => {
    const reference = `${registry.address}/pushed:1`;
    const told = await send(storeOf({ name: "example.com/also:1" }), registryOf(reference));
    assert.deepEqual(
      [told[0]?.event, told[1]?.event, told.at(-2)?.event, told.at(-1)?.event],
      [
        `Pushing to OCI Registry (${reference})`,
        "pushing content",
        "pushed content",
        `Completed push to OCI Registry (${reference})`,
      ],
    );
    const manifest = `manifest-${here.descriptor.digest}`;
    assert.deepEqual(eventsOf(told, manifest).at(-1), "complete");
    assert.deepEqual(told.find(({ name }) => name.startsWith("layer-"))?.parents, [manifest]);
    await send(registryOf(reference), storeOf({ name: "back" }));
    assert.equal((await images()).get("back")?.target?.digest, here.descriptor.digest);
  });

  it("tags", async () => {
    await send(storeOf({ name: "back" }), storeOf({ name: "tagged", labels: { by: "tag" } }));
    const image = (await images()).get("tagged");
    assert.deepEqual([image?.target?.digest, { ...image?.labels }], [here.descriptor.digest, { by: "tag" }]);
  });

  it("exports, and imports by the names that the archive gives, by a prefix, and by digest", async () => {
    const bytes = await exported({ name: "example.com/also:1" });
    const also = { name: "import-today", isPrefix: true, allowOverwrite: true };
    const told = await imported(bytes, { labels: { by: "import" }, extraReferences: [also] });
    assert.deepEqual(
      told.map(({ event, name }) => [event, name]),
      [
        ["Importing", ""],
        ["saved", "example.com/also:1"],
        ["Completed import", ""],
      ],
    );
    assert.deepEqual({ ...(await images()).get("example.com/also:1")?.labels }, { by: "import" });
    const other = { name: "example.com/als", isPrefix: true, addDigest: true };
    const named = (await imported(bytes, { extraReferences: [other] })).filter(({ event }) => event === "saved");
    assert.deepEqual(
      named.map(({ name }) => name),
      [`example.com/als@${here.descriptor.digest}`],
    );
  });

  it("keeps all images of an archive as one index, where that has a name", async () => {
    const bytes = await exported({ name: "back", extraReferences: [{ name: "tagged" }] });
    const told = await imported(bytes, { name: "example.com/all:1", labels: { by: "index" } });
    assert.deepEqual(eventsOf(told, "example.com/all:1"), ["saved"]);
    const image = (await images()).get("example.com/all:1");
    assert.equal(image?.target?.mediaType, "application/vnd.oci.image.index.v1+json");
    assert.deepEqual({ ...image?.labels }, { by: "index" });
    assert.ok((await exported({ name: "example.com/all:1" })).length > bytes.length / 2);
  });

  it("leaves out of an archive what was not asked for", async () => {
    const plain = await exported({ name: "back" });
    const slim = await exported({ name: "back" }, { skipCompatibilityManifest: true });
    assert.ok(plain.includes("manifest.json") && !slim.includes("manifest.json"));
    const two = await exported({ name: "back", extraReferences: [{ name: "tagged" }] });
    assert.ok(two.includes('"io.containerd.image.name":"tagged"'));
  });

  it("passes bytes on from one stream to another", async () => {
    const bytes = Buffer.alloc(1_000_000, "echo");
    const [from, to] = [await openStream(connection, namespace), await openStream(connection, namespace)];
    const [back, sent] = [readBytes(to, 1_000), sendBytes(from, bytes, 777)];
    await send(packAny(ImageImportStream, { stream: from.id }), packAny(ImageExportStream, { stream: to.id }));
    await sent;
    assert.ok((await back).equals(bytes));
  });

  it("leaves nothing of what fails", async () => {
    const missing = `${registry.address}/one:none`;
    await refused(send(registryOf(missing), storeOf({ name: "x" })), "not-found", /one:none cannot be pulled/);
    await refused(send(registryOf("a/UPPER"), storeOf({ name: "x" })), "invalid-argument", /"a\/UPPER" is invalid/);
    await refused(send(registryOf(missing), storeOf({})), "not-found", /no image name found/);
    await refused(send(storeOf({ name: "none" }), registryOf(missing)), "not-found", /image "none"/);
    await refused(send(storeOf({ name: "none" }), storeOf({ name: "x" })), "not-found", /image "none"/);
    await refused(exported({ name: "none" }), "not-found", /image "none"/);
    const stream = { stream: "none" };
    await refused(send(packAny(ImageImportStream, stream), storeOf({})), "not-found", /stream "none"/);
    await refused(send(storeOf({ name: "back" }), packAny(ImageExportStream, stream)), "not-found", /stream "none"/);
    await refused(imported(Buffer.from("no archive"), {}), "data-loss", /archive is truncated/);
    const half = (await exported({ name: "back" })).subarray(0, 200_000);
    await refused(
      imported(half, { extraReferences: [{ name: "p", isPrefix: true }] }),
      "data-loss",
      /archive is truncated/,
    );
  });

  it("ends an import whose stream is broken off", async () => {
    const stream = await openStream(connection, namespace);
    const work = send(packAny(ImageImportStream, { stream: stream.id }), storeOf({}));
    work.catch(() => {}); // seen below
    await stream.received.next(); // the first window: it has been taken
    stream.abort();
    // The end of the bytes may come before the end of the call: then they are no archive.
    await refused(work, (error) => ["canceled", "invalid-argument"].includes(error.kind), /broken off|archive/);
  });
});
