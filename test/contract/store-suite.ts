// What every store behind containerd's API does: run on containerd itself first, then on berthd.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { type ErrorKind, kindOf, messageOf } from "@berth/base";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Content, WriteAction, type WriteContentResponse } from "@berth/proto/containerd/services/content/v1";
import { Images } from "@berth/proto/containerd/services/images/v1";
import { Leases } from "@berth/proto/containerd/services/leases/v1";
import { Namespaces } from "@berth/proto/containerd/services/namespaces/v1";
import { Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import type { CallOptions, Client } from "@berth/rpc";
import { until } from "../support/until.ts";

export interface StoreClients {
  readonly namespaces: Client<typeof Namespaces>;
  readonly containers: Client<typeof Containers>;
  readonly images: Client<typeof Images>;
  readonly content: Client<typeof Content>;
  readonly snapshots: Client<typeof Snapshots>;
  readonly leases: Client<typeof Leases>;
}

/** Clients of a server, and what stops it. */
export interface StoreServer extends AsyncDisposable {
  readonly clients: StoreClients;
}

/** All clients of the suite from whatever makes one. */
export const storeClients = (connection: {
  service<S extends { readonly typeName: string; readonly methods: object }>(service: S): Client<S>;
}): StoreClients => ({
  namespaces: connection.service(Namespaces),
  containers: connection.service(Containers),
  images: connection.service(Images),
  content: connection.service(Content),
  snapshots: connection.service(Snapshots),
  leases: connection.service(Leases),
});

const spec = { typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", value: new Uint8Array([123, 125]) };
const runtime = { name: "io.containerd.runc.v2" };
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const someDigest = digestOf(Buffer.from("never stored"));
const target = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: someDigest, size: 12 };

/** The call must fail in this way; its message must hold the text. */
async function fails(call: Promise<unknown>, kind: ErrorKind, text: string): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.equal(kindOf(error), kind, messageOf(error));
    assert.ok(messageOf(error).includes(text), `${messageOf(error)} should say ${text}`);
    return true;
  });
}

/** Labels as decoded have no prototype. */
const plain = (labels: Readonly<Record<string, string>> | undefined): Record<string, string> => ({ ...labels });

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}

/** Expectations of whatever `start` starts. */
export function storeContract(name: string, start: () => Promise<StoreServer>, options: { skip?: string } = {}): void {
  describe(`the store of ${name}`, { skip: options.skip ?? false }, () => {
    let server: StoreServer;
    let api: StoreClients;
    let count = 0;
    /** A namespace of its own for each test. */
    const scope = (): CallOptions => ({ namespace: `contract-${count++}` });
    /** The same with a lease, so that no collection takes what the test has made. */
    const leasedScope = async (): Promise<CallOptions> => {
      const call = scope();
      await api.leases.create({ id: "keep" }, call);
      return { ...call, lease: "keep" };
    };
    before(async () => {
      server = await start();
      api = server.clients;
    });
    after(() => server[Symbol.asyncDispose]());

    const write = (
      requests: Parameters<Client<typeof Content>["write"]>[0] extends AsyncIterable<infer R> ? readonly R[] : never,
      call: CallOptions,
    ): Promise<WriteContentResponse[]> =>
      collect(
        api.content.write(
          (async function* () {
            yield* requests;
          })(),
          call,
        ),
      );
    const store = async (bytes: Uint8Array, call: CallOptions, labels: Record<string, string> = {}) => {
      const ref = `store-${count++}`;
      const total = bytes.length;
      const expected = digestOf(bytes);
      await write([{ action: WriteAction.COMMIT, ref, total, expected, data: bytes, labels }], call);
      return expected;
    };

    describe("namespaces", () => {
      it("are made, read, changed and deleted", async () => {
        const { namespaces } = api;
        // 1.6 publishes an event about each of these, for which it wants a namespace too.
        const call = { namespace: "made" };
        await namespaces.create({ namespace: { name: "made", labels: { a: "b", none: "" } } }, call);
        await fails(namespaces.create({ namespace: { name: "made" } }, call), "already-exists", '"made"');
        assert.deepEqual(plain((await namespaces.get({ name: "made" }, call)).namespace?.labels), { a: "b" });
        const more = { name: "made", labels: { c: "d" } };
        await namespaces.update({ namespace: more, updateMask: { paths: ["labels.c"] } }, call);
        assert.deepEqual(plain((await namespaces.get({ name: "made" }, call)).namespace?.labels), { a: "b", c: "d" });
        await namespaces.update({ namespace: { name: "made", labels: { e: "f" } } }, call);
        assert.deepEqual(plain((await namespaces.get({ name: "made" }, call)).namespace?.labels), { e: "f" });
        const foreign = namespaces.update({ namespace: { name: "made" }, updateMask: { paths: ["size"] } }, call);
        await fails(foreign, "invalid-argument", 'cannot update "size" field');
        await namespaces.delete({ name: "made" }, call);
        await fails(namespaces.delete({ name: "made" }, call), "not-found", '"made"');
      });
      it("are demanded and checked", async () => {
        await fails(api.containers.get({ id: "x" }), "failed-precondition", "namespace is required");
        await fails(api.containers.get({ id: "x" }, { namespace: "a b" }), "invalid-argument", "a b");
        await fails(api.namespaces.create({ namespace: { name: "a b" } }), "invalid-argument", "a b");
      });
      it("are made by writing into them, and kept while something is in them", async () => {
        const call = scope();
        const name = call.namespace ?? "";
        await api.images.create({ image: { name: "i", target } }, call);
        await api.containers.create({ container: { id: "c", runtime, spec } }, call);
        const listed = (await api.namespaces.list({})).namespaces.map((one) => one.name);
        assert.ok(listed.includes(name));
        await fails(api.namespaces.delete({ name }, call), "failed-precondition", "images, containers");
        await api.images.delete({ name: "i" }, call);
        await api.containers.delete({ id: "c" }, call);
        await api.namespaces.delete({ name }, call);
      });
      it("do not see each other", async () => {
        const [one, other] = [scope(), scope()];
        await api.containers.create({ container: { id: "c", runtime, spec } }, one);
        await fails(api.containers.get({ id: "c" }, other), "not-found", `"c" in namespace "${other.namespace}"`);
        await api.containers.create({ container: { id: "c", runtime, spec } }, other);
      });
    });

    describe("containers", () => {
      for (const [why, container, text] of [
        ["an id", { id: "", runtime, spec }, "create container failed validation"],
        ["a valid id", { id: "a/b", runtime, spec }, "create container failed validation"],
        ["a runtime", { id: "a", spec }, "container.Runtime.Name must be set"],
        ["a spec", { id: "a", runtime }, "container.Spec must be set"],
        ["a snapshotter for a key", { id: "a", runtime, spec, snapshotKey: "k" }, "container.Snapshotter must be set"],
        ["short labels", { id: "a", runtime, spec, labels: { x: "y".repeat(5000) } }, "maximum"],
      ] as const)
        it(`need ${why}`, () => fails(api.containers.create({ container }, scope()), "invalid-argument", text));

      it("are kept as they were given", async () => {
        const call = scope();
        const extensions = { one: { typeUrl: "any/thing", value: new Uint8Array([1, 2, 3]) } };
        const given = { id: "c", runtime, spec, image: "i", labels: { l: "1", none: "" }, extensions };
        await api.containers.create({ container: given }, call);
        await fails(api.containers.create({ container: given }, call), "already-exists", 'container "c"');
        const { container } = await api.containers.get({ id: "c" }, call);
        assert.deepEqual(plain(container?.labels), { l: "1" });
        assert.equal(container?.spec?.typeUrl, spec.typeUrl);
        assert.deepEqual([...(container?.extensions.one?.value ?? [])], [1, 2, 3]);
        assert.ok((container?.createdAt?.seconds ?? 0) > 0);
      });
      it("change by field paths, and otherwise as a whole", async () => {
        const call = scope();
        await api.containers.create({ container: { id: "c", runtime, spec, labels: { a: "1", b: "2" } } }, call);
        const update = (container: object, paths: string[]) =>
          api.containers.update({ container: { id: "c", ...container }, updateMask: { paths } }, call);
        const { container } = await update({ labels: { a: "9" }, image: "new" }, ["labels.a", "labels.b", "image"]);
        assert.deepEqual(plain(container?.labels), { a: "9" });
        assert.equal(container?.image, "new");
        await fails(update({ snapshotter: "x" }, ["snapshotter"]), "invalid-argument", 'cannot update "snapshotter"');
        await fails(update({ snapshotKey: "x" }, ["snapshotkey"]), "invalid-argument", "Snapshotter must be set");
        await fails(update({}, ["spec"]), "invalid-argument", "Spec must be set");
        await fails(
          update({ runtime: { name: "x" }, spec }, []),
          "invalid-argument",
          "Runtime.Name field is immutable",
        );
        await fails(
          update({ runtime, spec, snapshotter: "x" }, []),
          "invalid-argument",
          "Snapshotter field is immutable",
        );
        const whole = await update({ runtime, spec, labels: { z: "1" } }, []);
        assert.deepEqual(plain(whole.container?.labels), { z: "1" });
        assert.equal(whole.container?.image, "");
        const absent = api.containers.update({ container: { id: "none", runtime, spec } }, call);
        await fails(absent, "not-found", 'container "none"');
      });
      it("are found by filters", async () => {
        const call = scope();
        for (const id of ["one", "two", "three"])
          await api.containers.create({ container: { id, runtime, spec, labels: { "a.b/c": id } } }, call);
        const ids = async (...filters: string[]) =>
          (await api.containers.list({ filters }, call)).containers.map(({ id }) => id).sort();
        assert.deepEqual(await ids(), ["one", "three", "two"]);
        assert.deepEqual(await ids(""), ["one", "three", "two"]);
        assert.deepEqual(await ids("id==one", "id==two"), ["one", "two"]);
        assert.deepEqual(await ids('id~=^t,labels."a.b/c"!=two'), ["three"]);
        assert.deepEqual(await ids("id~=|e$|"), ["one", "three"]);
        assert.deepEqual(await ids("image"), []);
        assert.deepEqual(await ids('image==""'), []);
        assert.deepEqual(await ids('image!=""'), []);
        assert.deepEqual(await ids("runtime"), []);
        assert.deepEqual(await ids("runtime.name!=x,id.more==one"), ["one"]);
        assert.deepEqual(await ids('snapshotter!=""'), []);
        assert.deepEqual(await ids('labels."a.b/c"!="",id==two'), ["two"]);
        assert.deepEqual(await ids('labels.none!=""'), []);
        assert.deepEqual(await ids("id~=("), []);
        await fails(ids("id="), "invalid-argument", "filters");
        await fails(ids("id==/one/"), "invalid-argument", "filters");
      });
      it("are not-found once deleted", async () => {
        const call = scope();
        await fails(api.containers.delete({ id: "none" }, call), "not-found", "none");
        await fails(api.containers.get({ id: "none" }, call), "not-found", 'container "none"');
      });
    });

    describe("images", () => {
      for (const [why, image, text] of [
        ["a digest", { name: "i", target: { ...target, digest: "x" } }, "invalid"],
        ["a size", { name: "i", target: { ...target, size: 0 } }, "Target.Size must be greater than zero"],
        ["a media type", { name: "i", target: { ...target, mediaType: "" } }, "Target.MediaType must be set"],
        ["a name", { name: "", target }, ""],
      ] as const)
        it(`need ${why}`, () => fails(api.images.create({ image }, scope()), "invalid-argument", text));

      it("change by field paths, and otherwise as a whole", async () => {
        const call = scope();
        const annotated = { ...target, annotations: { q: "z" } };
        await api.images.create({ image: { name: "any name at all", target: annotated, labels: { l: "1" } } }, call);
        await fails(
          api.images.create({ image: { name: "any name at all", target } }, call),
          "already-exists",
          "any name",
        );
        const update = (image: object, paths: string[]) =>
          api.images.update({ image: { name: "any name at all", ...image }, updateMask: { paths } }, call);
        const one = await update({ target: { ...target, annotations: { k: "v" } } }, ["annotations.k"]);
        assert.deepEqual(plain(one.image?.target?.annotations), { q: "z", k: "v" });
        const two = await update({ target: { ...target, size: 99 } }, ["target"]);
        assert.equal(two.image?.target?.size, 99);
        assert.deepEqual(plain(two.image?.labels), { l: "1" });
        const three = await update({ target }, []);
        assert.deepEqual(plain(three.image?.labels), {});
        await fails(update({ target }, ["name"]), "invalid-argument", 'cannot update "name" field');
        await fails(api.images.update({ image: { name: "none", target } }, call), "not-found", 'image "none"');
        const found = await api.images.list({ filters: ["name~=^any,target.digest"] }, call);
        assert.equal(found.images.length, 1);
        for (const [filter, count] of [
          ["target.mediatype~=oci", 1],
          ["target.size", 0],
          ["target", 0],
          ["target.digest.more", 1],
          ["annotations.k", 0],
          ['labels.l!=""', 0],
          ['labels.l~=""', 1],
        ] as const)
          assert.equal((await api.images.list({ filters: [filter] }, call)).images.length, count, filter);
        await api.images.delete({ name: "any name at all", sync: true }, call);
        await fails(api.images.delete({ name: "any name at all" }, call), "not-found", "any name at all");
      });
    });

    it("frees what nothing refers to any more soon, though nobody asks for it", async () => {
      const call = scope();
      await api.leases.create({ id: "keep" }, call);
      const digest = await store(randomBytes(100), { ...call, lease: "keep" });
      await api.images.create({ image: { name: "kept", target: { ...target, digest } } }, call);
      await api.leases.delete({ id: "keep" }, call);
      assert.equal((await api.content.info({ digest }, call)).info?.size, 100);
      await api.images.delete({ name: "kept" }, call);
      await until(
        () =>
          api.content.info({ digest }, call).then(
            () => false,
            (error) => kindOf(error) === "not-found",
          ),
        "the blob is gone",
      );
    });

    describe("content", () => {
      it("is written in parts, resumed by its ref, and committed by its digest", async () => {
        const call = await leasedScope();
        const bytes = randomBytes(3_000_000);
        const expected = digestOf(bytes);
        const ref = "layer-1";
        await write([{ action: WriteAction.STAT, ref, total: bytes.length, expected }], call);
        await write(
          [{ action: WriteAction.WRITE, ref, total: bytes.length, expected, data: bytes.subarray(0, 1000) }],
          call,
        );
        assert.equal((await api.content.status({ ref }, call)).status?.offset, 1000);
        const listed = await api.content.listStatuses({ filters: ["ref~=^layer"] }, call);
        assert.deepEqual(
          listed.statuses.map((one) => one.ref),
          [ref],
        );
        const wrong = write([{ action: WriteAction.WRITE, ref, offset: 7, data: bytes.subarray(7, 9) }], call);
        await fails(wrong, "out-of-range", "current offset 1000");
        const rest = bytes.subarray(1000);
        const answers = await write(
          [
            { action: WriteAction.STAT, ref, total: bytes.length, expected },
            { action: WriteAction.WRITE, offset: 1000, total: bytes.length, data: rest },
            {
              action: WriteAction.COMMIT,
              offset: bytes.length,
              total: bytes.length,
              expected,
              labels: { a: "b", no: "" },
            },
          ],
          call,
        );
        assert.equal(answers.at(-1)?.digest, expected);
        const { info } = await api.content.info({ digest: expected }, call);
        assert.equal(info?.size, bytes.length);
        assert.deepEqual(plain(info?.labels), { a: "b" });
        await fails(api.content.status({ ref }, call), "not-found", ref);
        const parts = await collect(api.content.read({ digest: expected, offset: 10, size: 2_000_000 }, call));
        assert.equal(Buffer.concat(parts.map(({ data }) => data)).compare(bytes.subarray(10, 2_000_010)), 0);
        await fails(write([{ action: WriteAction.STAT, ref: "again", expected }], call), "already-exists", expected);
      });
      it("is refused where size or digest differ, and can be resumed then", async () => {
        const call = await leasedScope();
        const data = randomBytes(100);
        const commit = (more: object) => write([{ action: WriteAction.COMMIT, ref: "r", ...more }], call);
        await write([{ action: WriteAction.WRITE, ref: "r", data }], call);
        await fails(
          write(
            [
              { action: WriteAction.STAT, ref: "r" },
              { action: WriteAction.COMMIT, offset: 100, total: 5 },
            ],
            call,
          ),
          "failed-precondition",
          "size validation",
        );
        await fails(
          write(
            [
              { action: WriteAction.STAT, ref: "r" },
              { action: WriteAction.COMMIT, offset: 100, expected: someDigest },
            ],
            call,
          ),
          "failed-precondition",
          "unexpected commit digest",
        );
        assert.equal((await api.content.status({ ref: "r" }, call)).status?.offset, 100);
        await commit({ data, total: 100, expected: digestOf(data) });
        await api.content.info({ digest: digestOf(data) }, call);
      });
      it("needs a ref that nobody else is writing to", async () => {
        const call = await leasedScope();
        await fails(
          write([{ action: WriteAction.WRITE, data: new Uint8Array(1) }], call),
          "invalid-argument",
          "reference",
        );
        const opened = Promise.withResolvers<void>();
        const done = Promise.withResolvers<void>();
        const first = (async () => {
          const requests = async function* () {
            yield { action: WriteAction.STAT, ref: "locked" };
            await done.promise;
          };
          for await (const _ of api.content.write(requests(), call)) opened.resolve();
        })();
        await opened.promise;
        await fails(write([{ action: WriteAction.STAT, ref: "locked" }], call), "unavailable", "locked");
        done.resolve();
        await first;
        await api.content.abort({ ref: "locked" }, call);
        await fails(api.content.abort({ ref: "locked" }, call), "not-found", "locked");
      });
      it("has its next writer wait for the one before it", async () => {
        // Go's clients end a stream without a wait for its end, and open the next one.
        const call = await leasedScope();
        const opened = Promise.withResolvers<void>();
        const done = Promise.withResolvers<void>();
        const first = (async () => {
          const requests = async function* () {
            yield { action: WriteAction.WRITE, ref: "next", data: new Uint8Array(3) };
            await done.promise;
          };
          for await (const _ of api.content.write(requests(), call)) opened.resolve();
        })();
        await opened.promise;
        const next = write([{ action: WriteAction.STAT, ref: "next" }], call);
        done.resolve();
        assert.equal((await next).at(-1)?.offset, 3);
        await first;
        await api.content.abort({ ref: "next" }, call);
      });
      it("of another namespace is had for its name, and deleted for one namespace only", async () => {
        const [one, other] = [await leasedScope(), await leasedScope()];
        const bytes = randomBytes(50);
        const digest = await store(bytes, one);
        // 1.6 answers with an offset at the end, later ones link at once and answer that it is there.
        const link = [
          { action: WriteAction.STAT, ref: "link", expected: digest, total: 50 },
          { action: WriteAction.COMMIT, offset: 50, expected: digest, total: 50 },
        ];
        await write(link, other).catch((error) => assert.equal(kindOf(error), "already-exists"));
        assert.equal((await api.content.info({ digest }, other)).info?.size, 50);
        await api.content.delete({ digest }, one);
        await fails(api.content.info({ digest }, one), "not-found", digest);
        const parts = await collect(api.content.read({ digest }, other));
        assert.equal(Buffer.concat(parts.map(({ data }) => data)).compare(bytes), 0);
      });
      it("has labels that change", async () => {
        const call = await leasedScope();
        const digest = await store(randomBytes(10), call, { a: "1" });
        const update = (labels: Record<string, string>, paths: string[]) =>
          api.content.update({ info: { digest, labels }, updateMask: { paths } }, call);
        assert.deepEqual(plain((await update({ b: "2" }, ["labels.b"])).info?.labels), { a: "1", b: "2" });
        assert.deepEqual(plain((await update({ c: "3" }, [])).info?.labels), { c: "3" });
        await fails(update({}, ["size"]), "invalid-argument", 'cannot update "size" field');
        for (const [filter, count] of [
          ["size", 0],
          ["size!=1", 1],
          ["digest.more", 1],
          ['labels.a!=""', 0],
          ['labels.c!=""', 1],
        ] as const) {
          const blocks = await collect(api.content.list({ filters: [filter] }, call));
          assert.equal(blocks.flatMap(({ info }) => info).length, count, filter);
        }
        const found = await collect(api.content.list({ filters: ["labels.c==3"] }, call));
        assert.deepEqual(
          found.flatMap(({ info }) => info.map((one) => one.digest)),
          [digest],
        );
      });
      it("is not-found where it is absent, and invalid where its digest is", async () => {
        const call = await leasedScope();
        for (const act of [api.content.info, api.content.delete])
          await fails(act({ digest: someDigest }, call), "not-found", someDigest);
        await fails(collect(api.content.read({ digest: someDigest }, call)), "not-found", someDigest);
        await fails(api.content.info({ digest: "bad" }, call), "invalid-argument", "");
        await fails(api.content.delete({ digest: "bad" }, call), "invalid-argument", "");
        await fails(api.content.status({ ref: "none" }, call), "not-found", "none");
        await fails(api.content.abort({ ref: "none" }, call), "not-found", "none");
        const digest = await store(randomBytes(10), call);
        await fails(collect(api.content.read({ digest, offset: 11 }, call)), "out-of-range", "past object length 10");
      });
    });

    for (const snapshotter of ["overlayfs", "native"])
      describe(`snapshots on ${snapshotter}`, () => {
        const prepare = (call: CallOptions, key: string, parent = "", labels: Record<string, string> = {}) =>
          api.snapshots.prepare({ snapshotter, key, parent, labels }, call);
        const commit = (call: CallOptions, name: string, key: string, labels: Record<string, string> = {}) =>
          api.snapshots.commit({ snapshotter, name, key, labels }, call);

        for (const [filter, wanted] of [
          ["parent", ["base", "child", "view"]],
          ['parent==""', ["base"]],
          ['parent!=""', ["child", "view"]],
          ["parent==base", ["child", "view"]],
          ["parent!=base", ["base"]],
          ["parent~=^$", ["base"]],
          ["kind!=active", ["base", "view"]],
          ["kind", ["base", "child", "view"]],
          ['kind!=""', ["base", "child", "view"]],
          ["name~=^[bc]", ["base", "child"]],
          ["name.more==base", ["base"]],
          ["labels.x", ["child"]],
          ['labels.x!=""', ["child"]],
          ["labels.x!=y", ["base", "view"]],
          ['labels.x==""', []],
          ["labels", []],
          ["bogus", []],
          ["bogus!=x", ["base", "child", "view"]],
          ["bogus~=x", []],
        ] as const)
          it(`are found by ${filter}`, async () => {
            const call = await leasedScope();
            await prepare(call, "first");
            await commit(call, "base", "first");
            await prepare(call, "child", "base", { x: "y" });
            await api.snapshots.view({ snapshotter, key: "view", parent: "base" }, call);
            const listed = await collect(api.snapshots.list({ snapshotter, filters: [filter] }, call));
            assert.deepEqual(listed.flatMap(({ info }) => info.map(({ name }) => name)).sort(), wanted);
          });
        it("are stacked, and mounted as containerd mounts them", async () => {
          const call = await leasedScope();
          const shape = (mounts: readonly { type: string; options: readonly string[] }[]) =>
            mounts.map(({ type, options }) =>
              [type, ...options.map((one) => one.replace(/=\/.*/, (paths) => `*${paths.split(":").length}`))].join(" "),
            );
          const bind = (mode: string) => (snapshotter === "native" ? `bind rbind ${mode}` : `bind ${mode} rbind`);
          const overlay = (text: string) => (snapshotter === "native" ? null : `overlay index=off ${text}`);
          assert.deepEqual(shape((await prepare(call, "a", "", { x: "y" })).mounts), [bind("rw")]);
          await commit(call, "c1", "a", { m: "n" });
          assert.deepEqual(shape((await prepare(call, "b", "c1")).mounts), [
            overlay("workdir*1 upperdir*1 lowerdir*1") ?? bind("rw"),
          ]);
          await commit(call, "c2", "b");
          const views = async (key: string, parent: string) =>
            shape((await api.snapshots.view({ snapshotter, key, parent }, call)).mounts);
          assert.deepEqual(await views("v0", ""), [bind("ro")]);
          assert.deepEqual(await views("v1", "c1"), [bind("ro")]);
          assert.deepEqual(await views("v2", "c2"), [overlay("lowerdir*2") ?? bind("ro")]);
          const { info } = await api.snapshots.stat({ snapshotter, key: "c2" }, call);
          assert.equal(info?.parent, "c1");
          assert.equal(info?.kind, 3);
          const listed = await collect(api.snapshots.list({ snapshotter, filters: ["kind==view"] }, call));
          assert.deepEqual(listed.flatMap((one) => one.info.map(({ name }) => name)).sort(), ["v0", "v1", "v2"]);
          const usage = await api.snapshots.usage({ snapshotter, key: "c1" }, call);
          assert.equal(usage.inodes, 1);
          assert.ok(usage.size >= 0);
        });
        it("follow the rules of their kinds", async () => {
          const call = await leasedScope();
          await prepare(call, "a");
          await fails(prepare(call, "a"), "already-exists", 'snapshot "a"');
          await fails(prepare(call, "q", "none"), "not-found", "parent snapshot none does not exist");
          await fails(prepare(call, "q", "a"), "invalid-argument", "is not committed snapshot");
          await fails(commit(call, "c", "none"), "not-found", "snapshot none does not exist");
          await commit(call, "c", "a", { m: "n" });
          await fails(api.snapshots.stat({ snapshotter, key: "a" }, call), "not-found", "snapshot a does not exist");
          assert.deepEqual(plain((await api.snapshots.stat({ snapshotter, key: "c" }, call)).info?.labels), { m: "n" });
          await fails(api.snapshots.mounts({ snapshotter, key: "c" }, call), "failed-precondition", "not active");
          await prepare(call, "b", "c");
          await fails(commit(call, "c", "b"), "already-exists", 'snapshot "c"');
          await fails(commit(call, "d", "c"), "failed-precondition", "is not active");
          await fails(api.snapshots.remove({ snapshotter, key: "c" }, call), "failed-precondition", "with child");
          const wanted = { "containerd.io/snapshot.ref": "c" };
          await fails(prepare(call, "e", "", wanted), "already-exists", 'target snapshot "c"');
          await api.snapshots.remove({ snapshotter, key: "b" }, call);
          await api.snapshots.remove({ snapshotter, key: "c" }, call);
          await fails(api.snapshots.remove({ snapshotter, key: "c" }, call), "not-found", "snapshot c does not exist");
          await fails(api.snapshots.usage({ snapshotter, key: "c" }, call), "not-found", "snapshot c does not exist");
        });
        it("of two namespaces are two, whatever their names", async () => {
          const [one, other] = [await leasedScope(), await leasedScope()];
          const [first] = (await prepare(one, "a")).mounts;
          const [second] = (await prepare(other, "a")).mounts;
          assert.notEqual(first?.source, second?.source);
          await commit(one, "c", "a");
          await fails(prepare(other, "b", "c"), "not-found", "parent snapshot c does not exist");
          await commit(other, "c", "a");
        });
        it("have labels that change", async () => {
          const call = await leasedScope();
          await prepare(call, "a", "", { x: "1" });
          const update = (name: string, labels: Record<string, string>, paths: string[]) =>
            api.snapshots.update({ snapshotter, info: { name, labels }, updateMask: { paths } }, call);
          assert.deepEqual(plain((await update("a", { y: "2" }, ["labels.y"])).info?.labels), { x: "1", y: "2" });
          assert.deepEqual(plain((await update("a", { z: "3" }, [])).info?.labels), { z: "3" });
          await fails(update("a", {}, ["kind"]), "invalid-argument", 'cannot update "kind" field on snapshot "a"');
          await fails(update("none", {}, ["labels"]), "not-found", "snapshot none does not exist");
        });
      });

    it("names the snapshotter that is not there", async () => {
      const call = scope();
      await fails(
        api.snapshots.stat({ snapshotter: "bogus", key: "x" }, call),
        "invalid-argument",
        "not loaded: bogus",
      );
      await fails(api.snapshots.stat({ snapshotter: "", key: "x" }, call), "invalid-argument", "argument missing");
    });

    describe("leases", () => {
      it("are made, listed and deleted, with their resources", async () => {
        const call = scope();
        const { leases } = api;
        await leases.create({ id: "l", labels: { a: "b" } }, call);
        await fails(leases.create({ id: "l" }, call), "already-exists", 'lease "l"');
        for (const [filter, count] of [
          ["id.more", 1],
          ["created_at", 0],
          ['labels.b!=""', 0],
          ['labels.a!=""', 1],
        ] as const)
          assert.equal((await leases.list({ filters: [filter] }, call)).leases.length, count, filter);
        const listed = await leases.list({ filters: ["labels.a==b"] }, call);
        assert.deepEqual(
          listed.leases.map(({ id }) => id),
          ["l"],
        );
        const add = (id: string, type: string, lease = "l") =>
          leases.addResource({ id: lease, resource: { id, type } }, call);
        await add(someDigest, "content");
        await add(someDigest, "content");
        await add("key", "snapshots/overlayfs");
        await add("ref", "ingests");
        await fails(add(someDigest, "bogus"), "unimplemented", "bogus");
        await fails(add("x", "snapshots"), "invalid-argument", "snapshots");
        await fails(add("nope", "content"), "invalid-argument", "nope");
        await fails(add(someDigest, "content", "none"), "not-found", 'lease "none"');
        const resources = async () => (await leases.listResources({ id: "l" }, call)).resources.map(({ type }) => type);
        assert.deepEqual((await resources()).sort(), ["content", "ingests", "snapshots/overlayfs"]);
        await leases.deleteResource({ id: "l", resource: { id: "ref", type: "ingests" } }, call);
        assert.deepEqual((await resources()).sort(), ["content", "snapshots/overlayfs"]);
        await leases.delete({ id: "l" }, call);
        await fails(leases.delete({ id: "l" }, call), "not-found", 'lease "l"');
        await fails(leases.listResources({ id: "l" }, call), "not-found", 'lease "l"');
      });
      it("hold what is written under them until they are deleted", async () => {
        const call = scope();
        await api.leases.create({ id: "l" }, call);
        const leased = { ...call, lease: "l" };
        const digest = await store(randomBytes(64), leased);
        await api.snapshots.prepare({ snapshotter: "overlayfs", key: "held" }, leased);
        const loose = await store(randomBytes(64), call);
        const { resources } = await api.leases.listResources({ id: "l" }, call);
        assert.deepEqual(resources.map(({ id }) => id).sort(), ["held", digest].sort());
        await api.leases.create({ id: "other" }, call);
        await api.leases.delete({ id: "other", sync: true }, call);
        await fails(api.content.info({ digest: loose }, call), "not-found", loose);
        await api.content.info({ digest }, call);
        await api.snapshots.stat({ snapshotter: "overlayfs", key: "held" }, call);
        await api.leases.delete({ id: "l", sync: true }, call);
        await fails(api.content.info({ digest }, call), "not-found", digest);
        await fails(api.snapshots.stat({ snapshotter: "overlayfs", key: "held" }, call), "not-found", "held");
      });
      it("must be there when something is written under them", async () => {
        const call = { ...scope(), lease: "none" };
        await fails(api.snapshots.prepare({ snapshotter: "overlayfs", key: "k" }, call), "not-found", "lease");
        await fails(write([{ action: WriteAction.STAT, ref: "r" }], call), "not-found", "lease");
      });
    });

    describe("garbage collection", () => {
      const collectGarbage = async (call: CallOptions) => {
        await api.leases.create({ id: "now" }, call);
        await api.leases.delete({ id: "now", sync: true }, call);
      };
      it("keeps what images, containers and labels lead to, and nothing else", async () => {
        const call = scope();
        await api.leases.create({ id: "l" }, call);
        const leased = { ...call, lease: "l" };
        const layer = await store(randomBytes(30), leased);
        const config = await store(randomBytes(31), leased, { "containerd.io/gc.ref.snapshot.overlayfs": "top" });
        const manifest = await store(randomBytes(32), leased, {
          "containerd.io/gc.ref.content.config": config,
          "containerd.io/gc.ref.content.l.0": layer,
        });
        const root = await store(randomBytes(33), leased, { "containerd.io/gc.root": "x" });
        const loose = await store(randomBytes(34), leased);
        const on = { snapshotter: "overlayfs" };
        for (const [key, name, parent] of [
          ["k1", "bottom", ""],
          ["k2", "top", "bottom"],
          ["k3", "loose", "bottom"],
        ] as const) {
          await api.snapshots.prepare({ ...on, key, parent }, leased);
          await api.snapshots.commit({ ...on, name, key }, leased);
        }
        await api.snapshots.prepare({ ...on, key: "rw", parent: "top" }, leased);
        await api.images.create({ image: { name: "i", target: { ...target, digest: manifest } } }, call);
        const container = { id: "c", runtime, spec, snapshotter: "overlayfs", snapshotKey: "rw" };
        await api.containers.create({ container }, call);
        await api.leases.delete({ id: "l", sync: true }, call);
        for (const digest of [layer, config, manifest, root]) await api.content.info({ digest }, call);
        for (const key of ["bottom", "top", "rw"]) await api.snapshots.stat({ ...on, key }, call);
        await fails(api.content.info({ digest: loose }, call), "not-found", loose);
        await fails(api.snapshots.stat({ ...on, key: "loose" }, call), "not-found", "loose");
        await api.containers.delete({ id: "c" }, call);
        await collectGarbage(call);
        await fails(api.snapshots.stat({ ...on, key: "rw" }, call), "not-found", "rw");
        await api.snapshots.stat({ ...on, key: "top" }, call);
        await api.images.delete({ name: "i", sync: true }, call);
        for (const digest of [layer, config, manifest])
          await fails(api.content.info({ digest }, call), "not-found", digest);
        await fails(api.snapshots.stat({ ...on, key: "bottom" }, call), "not-found", "bottom");
        await api.content.info({ digest: root }, call);
      });
      it("ends leases that have expired, and flat ones keep only what they list", async () => {
        const call = scope();
        const expired = { "containerd.io/gc.expire": "2020-01-02T03:04:05Z" };
        const broken = { "containerd.io/gc.expire": "tomorrow" };
        await api.leases.create({ id: "old", labels: expired }, call);
        await api.leases.create({ id: "broken", labels: broken }, call);
        await api.leases.create({ id: "flat", labels: { "containerd.io/gc.flat": "yes" } }, call);
        const child = await store(randomBytes(40), { ...call, lease: "old" });
        const kept = await store(randomBytes(41), { ...call, lease: "broken" });
        const parent = await store(
          randomBytes(42),
          { ...call, lease: "flat" },
          { "containerd.io/gc.ref.content": child },
        );
        await collectGarbage(call);
        await fails(api.content.info({ digest: child }, call), "not-found", child);
        await api.content.info({ digest: kept }, call);
        await api.content.info({ digest: parent }, call);
        const left = (await api.leases.list({}, call)).leases.map(({ id }) => id).sort();
        assert.deepEqual(left, ["broken", "flat"]);
      });
      it("keeps an ingest that is fresh or leased, and not one whose lease is gone", async () => {
        const call = scope();
        await api.leases.create({ id: "l" }, call);
        await write([{ action: WriteAction.WRITE, ref: "fresh", data: new Uint8Array(5) }], call);
        await write([{ action: WriteAction.WRITE, ref: "leased", data: new Uint8Array(5) }], { ...call, lease: "l" });
        await collectGarbage(call);
        await api.content.status({ ref: "leased" }, call);
        await api.leases.delete({ id: "l", sync: true }, call);
        await fails(api.content.status({ ref: "leased" }, call), "not-found", "leased");
        assert.equal((await api.content.status({ ref: "fresh" }, call)).status?.offset, 5);
      });
    });
  });
}
