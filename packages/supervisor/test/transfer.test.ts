// Streams and the translation of transfers, over the in-memory client.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type BerthError, kindOf } from "@berth/base";
import { type Init, type MessageType, packAny } from "@berth/proto";
import { Introspection } from "@berth/proto/containerd/services/introspection/v1";
import { StreamInit, Streaming } from "@berth/proto/containerd/services/streaming/v1";
import { Transfer } from "@berth/proto/containerd/services/transfer/v1";
import {
  AuthRequest,
  AuthResponse,
  AuthType,
  Data,
  HTTPDebug,
  ImageExportStream,
  ImageImportStream,
  ImageStore,
  OCIRegistry,
  Progress,
  WindowUpdate,
} from "@berth/proto/containerd/types/transfer";
import { type Any, Empty } from "@berth/proto/google/protobuf";
import { openStream, readBytes, sendBytes } from "../../../test/support/transfer.ts";
import { credentialsOver } from "../src/services/transfer/auth-stream.ts";
import { receiveBytes, sendBytes as serveBytes } from "../src/services/transfer/byte-streams.ts";
import { archivedNames } from "../src/services/transfer/image-store.ts";
import { createTeller } from "../src/services/transfer/progress.ts";
import { createStreams, type Stream } from "../src/services/transfer/streams.ts";
import { type Harness, startHarness } from "./harness.ts";

const call = { namespace: "test" };

/** What the client of a stream has sent, and what it is sent. */
function fakeStream(sent: readonly Any[]): Stream & { readonly got: Any[]; readonly ends: unknown[] } {
  const waiting = [...sent];
  const got: Any[] = [];
  const ends: unknown[] = [];
  return {
    id: "fake",
    got,
    ends,
    receive: async () => waiting.shift() ?? null,
    async send(message) {
      got.push(message);
    },
    close: (error = null) => ends.push(error),
  };
}

const many = <T extends object>(type: MessageType<T>, ...messages: Init<T>[]) =>
  messages.map((message) => packAny(type, message));

describe("byte streams", () => {
  it("grant 64 KiB whenever less is open", async () => {
    const sizes = [32 << 10, 32 << 10, 1, 65_535];
    const stream = fakeStream(many(Data, ...sizes.map((size) => ({ data: new Uint8Array(size) }))));
    const came = await Array.fromAsync(receiveBytes(stream));
    assert.deepEqual(
      came.map(({ length }) => length),
      sizes,
    );
    // At the start, with 32 KiB open, and with a byte less than 64 KiB.
    assert.deepEqual(
      stream.got.map(({ value }) => WindowUpdate.decode(value).update),
      [64 << 10, 64 << 10, 64 << 10],
    );
  });

  it("refuse more than was granted, and what is no data", async () => {
    const tooMuch = fakeStream(many(Data, { data: new Uint8Array((64 << 10) + 1) }));
    await assert.rejects(Array.fromAsync(receiveBytes(tooMuch)), {
      kind: "invalid-argument",
      message: /room for 65536/,
    });
    await assert.rejects(Array.fromAsync(receiveBytes(fakeStream(many(Progress, {})))), { kind: "invalid-argument" });
  });

  it("send 32 KiB at most, and nothing that was not granted", async () => {
    const stream = fakeStream(many(WindowUpdate, { update: 40_000 }, { update: 10 }, { update: 0 }, { update: 1e6 }));
    await serveBytes(stream, chunks(new Uint8Array(100_000)));
    const sizes = stream.got.map(({ value }) => Data.decode(value).data.length);
    assert.deepEqual(sizes, [32_768, 7_232, 10, 32_768, 27_222]);
  });

  it("end with unavailable where the client takes no more", async () => {
    const stream = fakeStream(many(WindowUpdate, { update: 10 }));
    await assert.rejects(serveBytes(stream, chunks(new Uint8Array(11))), { kind: "unavailable" });
    assert.equal(stream.got.length, 1);
  });
});

async function* chunks(...all: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

describe("credentials over a stream", () => {
  for (const [answer, credentials] of [
    [{ authType: AuthType.NONE }, null],
    [
      { authType: AuthType.CREDENTIALS, username: "otto", secret: "s" },
      { kind: "password", user: "otto", password: "s" },
    ],
    [
      { authType: AuthType.REFRESH, secret: "token" },
      { kind: "identity-token", token: "token" },
    ],
    [
      { authType: AuthType.HEADER, secret: "Bearer token" },
      { kind: "registry-token", token: "token" },
    ],
    [
      { authType: AuthType.HEADER, secret: `Basic ${btoa("otto:a:b")}` },
      { kind: "password", user: "otto", password: "a:b" },
    ],
  ] as const)
    it(`are ${credentials?.kind ?? "none"} of ${JSON.stringify(answer)}`, async () => {
      const stream = fakeStream(many(AuthResponse, answer));
      assert.deepEqual(await credentialsOver(stream, "r.io/x")("r.io"), credentials);
      const [asked] = stream.got.map(({ value }) => AuthRequest.decode(value));
      assert.deepEqual([asked?.host, asked?.reference], ["r.io", "r.io/x"]);
    });

  it("are asked for one at a time", async () => {
    const stream = fakeStream(
      many(AuthResponse, ...["a", "b"].map((secret) => ({ authType: AuthType.REFRESH, secret }))),
    );
    const ask = credentialsOver(stream, "");
    assert.deepEqual(await Promise.all([ask("one"), ask("two"), ask("three")]), [
      { kind: "identity-token", token: "a" },
      { kind: "identity-token", token: "b" },
      null,
    ]);
  });

  it("are refused where they are none", async () => {
    const header = fakeStream(many(AuthResponse, { authType: AuthType.HEADER, secret: "Digest x" }));
    await assert.rejects(credentialsOver(header, "")("r.io"), { kind: "invalid-argument" });
    await assert.rejects(credentialsOver(fakeStream(many(Data, {})), "")("r.io"), { kind: "invalid-argument" });
  });
});

describe("names of images of archives", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const target = { mediaType: "m", digest, size: 1, annotations: {} };
  const named = { target, names: ["example.com/a/b:1"], tag: "" };
  const tagged = { target, names: [], tag: "latest" };
  const unnamed = { target, names: [], tag: "" };
  const prefix = { isPrefix: true };
  for (const [title, image, reference, names] of [
    ["a full name stays where it may overwrite", named, { ...prefix, name: "p", allowOverwrite: true }, named.names],
    ["a full name below the prefix stays", named, { ...prefix, name: "example.com/a" }, named.names],
    ["another one goes", named, { ...prefix, name: "example.com/a/bc" }, []],
    ["half a part is no prefix", named, { ...prefix, name: "example.com/a/" }, []],
    ["a tag is put behind the prefix", tagged, { ...prefix, name: "p" }, ["p:latest"]],
    ["an empty prefix names nothing", tagged, { ...prefix, name: "" }, []],
    ["what is no prefix names nothing", named, { name: "x:1" }, []],
    ["a digest is added", tagged, { ...prefix, name: "p", addDigest: true }, ["p:latest", `p@${digest}`]],
    ["but not beside a name", tagged, { ...prefix, name: "p", addDigest: true, skipNamedDigest: true }, ["p:latest"]],
    [
      "unless there is none",
      unnamed,
      { ...prefix, name: "p", addDigest: true, skipNamedDigest: true },
      [`p@${digest}`],
    ],
  ] as const)
    it(title, () => {
      const store = ImageStore.decode(ImageStore.encode({ extraReferences: [reference] }));
      assert.deepEqual(archivedNames(store, image), names);
    });
});

it("progress is told once for each change, below its parents, and to nobody who has gone", async () => {
  const stream = fakeStream([]);
  const teller = createTeller(stream, "downloading");
  const layer = { digest: "l", mediaType: "", parent: "m", kind: "layer", offset: 0, size: 9, wasHere: false } as const;
  const manifest = { ...layer, digest: "m", parent: "", kind: "manifest" } as const;
  const tell = (...parts: Parameters<typeof teller.tellParts>[1]["parts"][number][]) =>
    teller.tellParts("root", { stage: "fetching", host: "", received: 0, parts });
  await tell({ ...layer, state: "waiting" }, { ...manifest, state: "fetched", offset: 9 });
  await tell({ ...layer, state: "fetching", offset: 4 });
  await tell({ ...layer, state: "fetched", offset: 9 });
  await tell({ ...layer, state: "unpacking", offset: 9 });
  const told = stream.got.map(({ value }) => Progress.decode(value));
  assert.deepEqual(
    told.map(({ event, name, parents, progress, total }) => [event, name, ...parents, progress, total]),
    [
      ["complete", "manifest-m", "root", 9, 9],
      ["waiting", "layer-l", "manifest-m", 0, 9],
      ["downloading", "layer-l", "manifest-m", 4, 9],
      ["complete", "layer-l", "manifest-m", 9, 9],
    ],
  );
  const gone = { ...fakeStream([]), send: () => Promise.reject(new Error("gone")) };
  await createTeller(gone, "uploading").tell("Exporting");
});

describe("streams that wait", () => {
  const waiting = (id: string) => ({ ...fakeStream([]), id });

  it("are taken once, by their namespace alone", () => {
    const streams = createStreams(new AbortController().signal);
    streams.add(call, waiting("a"));
    assert.throws(() => streams.takeFor({ namespace: "other" }).take("a"), { kind: "not-found" });
    const taken = streams.takeFor(call);
    assert.equal(taken.take("a").id, "a");
    assert.throws(() => taken.take("a"), { kind: "not-found", message: /stream "a"/ });
  });

  it("end with their transfer", () => {
    const streams = createStreams(new AbortController().signal);
    const stream = waiting("a");
    streams.add(call, stream);
    const taken = streams.takeFor(call);
    taken.take("a");
    taken.close();
    assert.deepEqual(stream.ends, [null]);
  });

  it("are bounded in number", () => {
    const streams = createStreams(new AbortController().signal);
    const all = Array.from({ length: 1_024 }, (_, at) => waiting(`s${at}`));
    for (const stream of all) streams.add(call, stream);
    assert.throws(() => streams.add(call, waiting("more")), { kind: "resource-exhausted" });
    streams.remove(call, all[0] as Stream);
    streams.add(call, waiting("more"));
  });

  it("end when berthd begins to stop", () => {
    const stopping = new AbortController();
    const streams = createStreams(stopping.signal);
    const stream = waiting("a");
    streams.add(call, stream);
    stopping.abort();
    assert.deepEqual(stream.ends.map(kindOf), ["unavailable"]);
    assert.throws(() => streams.add(call, waiting("b")), { kind: "unavailable" });
  });
});

describe("the transfer service", () => {
  let harness: Harness;
  const services = { service: (service: Parameters<Harness["client"]>[0]) => harness.client(service) } as Parameters<
    typeof openStream
  >[0];
  const transfer = (source: Any | null, destination: Any | null, progressStream = "") =>
    harness.client(Transfer).transfer({ source, destination, options: { progressStream } }, call);
  const store = packAny(ImageStore, { name: "x" });
  before(async () => {
    harness = await startHarness();
  });
  after(() => harness[Symbol.asyncDispose]());

  it("acknowledges a stream with an empty message, and says no to an id that is there", async () => {
    const { id, abort } = await openStream(services, call.namespace);
    const again = harness.client(Streaming).stream(chunksOf(packAny(StreamInit, { id })), call);
    await assert.rejects(again[Symbol.asyncIterator]().next(), { kind: "unknown", message: /already exists/ });
    const other = harness.client(Streaming).stream(chunksOf(packAny(StreamInit, { id })), { namespace: "other" });
    const first = await other[Symbol.asyncIterator]().next();
    assert.equal(first.value?.typeUrl, Empty.typeName);
    abort();
  });

  it("refuses a stream that does not begin with its id", async () => {
    for (const messages of [[], [packAny(Data, {})]]) {
      const stream = harness.client(Streaming).stream(chunksOf(...messages), call);
      await assert.rejects(stream[Symbol.asyncIterator]().next(), { kind: "invalid-argument", message: /StreamInit/ });
    }
  });

  it("passes bytes on from stream to stream, and ends both", async () => {
    const bytes = Buffer.alloc(300_001, "abc");
    const [from, to] = [await openStream(services, call.namespace), await openStream(services, call.namespace)];
    const [back, sent] = [readBytes(to), sendBytes(from, bytes)];
    await transfer(packAny(ImageImportStream, { stream: from.id }), packAny(ImageExportStream, { stream: to.id }));
    await sent;
    assert.ok((await back).equals(bytes));
    await assert.rejects(transfer(packAny(ImageImportStream, { stream: from.id }), packAny(ImageStore, {})), {
      kind: "not-found",
    });
  });

  const registry = (resolver: Init<NonNullable<OCIRegistry["resolver"]>>) =>
    packAny(OCIRegistry, { reference: "r.io/x", resolver });
  const importing = (more: Init<ImageImportStream>) => packAny(ImageImportStream, more);
  for (const [title, source, destination, kind, words] of [
    ["nothing", null, store, "unknown", /^type with url : not found$/],
    ["an unknown type", { typeUrl: "a.B", value: Buffer.of() }, store, "unknown", /^type with url a\.B: not found$/],
    ["a pair that nobody does", registry({}), registry({}), "unimplemented", /OCIRegistry to .*OCIRegistry$/],
    ["another type", packAny(Progress, {}), store, "unimplemented", /Progress to .*ImageStore$/],
    ["damaged bytes", { ...store, value: Buffer.of(255) }, store, "invalid-argument", /ImageStore cannot be read/],
    ["an unknown image", store, store, "not-found", /image "x"/],
    ["a pull without a name", registry({}), packAny(ImageStore, {}), "not-found", /no image name found/],
    ["an unknown auth stream", registry({ authStream: "none" }), store, "not-found", /stream "none"/],
    ["a dump of requests", registry({ httpDebug: HTTPDebug.DEBUG }), store, "unimplemented", /http_debug/],
    ["another scheme", registry({ defaultScheme: "ftp" }), store, "unimplemented", /"ftp"/],
    ["an unknown import stream", importing({ stream: "none" }), packAny(ImageStore, {}), "not-found", /stream "none"/],
    ["compression of layers", importing({ forceCompress: true }), store, "unimplemented", /force_compress/],
  ] as const)
    it(`refuses ${title}`, async () => {
      await assert.rejects(transfer(source, destination), (error: BerthError) => {
        assert.equal(error.kind, kind, error.message);
        assert.match(error.message, words);
        return true;
      });
    });

  it("ends with its caller, and its streams with it", async () => {
    const stream = await openStream(services, call.namespace);
    const ended = new AbortController();
    const source = packAny(ImageImportStream, { stream: stream.id });
    const other = await openStream(services, call.namespace);
    const destination = packAny(ImageExportStream, { stream: other.id });
    const work = harness.client(Transfer).transfer({ source, destination }, { ...call, signal: ended.signal });
    await stream.received.next(); // the first window: it has begun
    ended.abort();
    await assert.rejects(work, { kind: "canceled" });
    for (const { received } of [stream, other]) assert.equal((await received.next()).done, true);
  });

  it("is among the plugins, with its streams", async () => {
    const { plugins } = await harness.client(Introspection).plugins({}, call);
    const all = plugins.map(({ type, id }) => `${type}.${id}`);
    for (const one of ["transfer.v1.local", "streaming.v1.manager", "grpc.v1.transfer", "grpc.v1.streaming"])
      assert.ok(all.includes(`io.containerd.${one}`), one);
  });

  it("refuses an unknown progress stream", async () => {
    await assert.rejects(transfer(store, store, "none"), { kind: "not-found", message: /stream "none"/ });
  });
});

async function* chunksOf(...messages: Any[]): AsyncGenerator<Any> {
  yield* messages;
}
