// Frame by frame: what goes over the wire, and what a server says to a peer that breaks the rules.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kindOf } from "@berth/base";
import { Request, Response } from "@berth/proto/ttrpc";
import { createClient, createServer, createUnaryServer, encodeFrame, type Limits } from "@berth/ttrpc";
import { collect, Echo, EchoServer, each, keepingLog, Note } from "./echo-service.ts";
import { memoryPair } from "./memory-pair.ts";
import { type Frame, RawPeer } from "./raw-peer.ts";

const REQUEST = 1;
const RESPONSE = 2;
const DATA = 3;
const empty = new Uint8Array(0);

function serve(limits: Partial<Limits> = {}) {
  const { near, far } = memoryPair();
  const echo = new EchoServer();
  const lines: string[] = [];
  const server = createServer({ registrations: [echo.registration], log: keepingLog(lines), limits });
  server.accept(far);
  return { near, far, echo, lines, server, peer: new RawPeer(near) };
}

const to = (method: string, note: Parameters<typeof Note.encode>[0] = {}) => ({
  service: "test.Echo",
  method,
  payload: Note.encode(note),
});

const shown = (frame: Frame | null) =>
  frame === null ? null : { id: frame.id, type: frame.type, flags: frame.flags, length: frame.data.length };

describe("a server, frame by frame", () => {
  it("answers a unary request with one response without flags and without a status", async () => {
    const { peer } = serve();
    peer.request(1, 0, to("Echo", { text: "hi" }));
    const frame = await peer.frame();
    assert.deepEqual([frame?.id, frame?.type, frame?.flags], [1, RESPONSE, 0]);
    const response = Response.decode(frame?.data ?? empty);
    assert.equal(response.status, null);
    assert.equal(Note.decode(response.payload).text, "hi");
  });

  it("sends an error with an empty payload", async () => {
    const { peer } = serve();
    peer.request(1, 0, to("Echo", { text: "not found" }));
    assert.deepEqual(await peer.status(), { id: 1, code: 5, message: 'note "x": not found' });
  });

  it("ends a stream of its own with data that is closed and has no message", async () => {
    const { peer } = serve();
    peer.request(1, 1, to("Count", { count: 1 }));
    assert.deepEqual(shown(await peer.frame()), { id: 1, type: DATA, flags: 0, length: 0 });
    assert.deepEqual(shown(await peer.frame()), { id: 1, type: DATA, flags: 5, length: 0 });
  });

  it("ends a stream that fails with a response", async () => {
    const { peer } = serve();
    peer.request(1, 1, to("Count", { text: "then fail" }));
    assert.deepEqual(await peer.status(), { id: 1, code: 15, message: "the rest is gone" });
  });

  it("answers a client's stream with a response, after the data that closes it", async () => {
    const { peer } = serve();
    peer.request(1, 2, { service: "test.Echo", method: "Sum" });
    peer.send(1, DATA, 0, Note.encode({ count: 2 }));
    peer.send(1, DATA, 0, Note.encode({ count: 3 }));
    peer.send(1, DATA, 0, empty);
    peer.send(1, DATA, 5);
    const frame = await peer.frame();
    assert.equal(frame?.type, RESPONSE);
    assert.equal(Note.decode(Response.decode(frame?.data ?? empty).payload).count, 5);
  });

  it("takes a request's own payload as the first message of a client's stream", async () => {
    const { peer } = serve();
    peer.request(1, 2, to("Sum", { count: 40 }));
    peer.send(1, DATA, 0, Note.encode({ count: 2 }));
    peer.send(1, DATA, 5);
    assert.equal(Note.decode(Response.decode((await peer.frame())?.data ?? empty).payload).count, 42);
  });

  const refusals: readonly [string, (peer: RawPeer) => void, { id: number; code: number; message: string | RegExp }][] =
    [
      [
        "an even stream id",
        (peer) => peer.request(2, 0, to("Echo")),
        { id: 2, code: 3, message: "StreamID must be odd for client initiated streams" },
      ],
      [
        "stream id 0",
        (peer) => peer.request(0, 0, to("Echo")),
        { id: 0, code: 3, message: "StreamID must be odd for client initiated streams" },
      ],
      [
        "data on a stream that never was",
        (peer) => peer.send(7, DATA, 0, empty),
        { id: 7, code: 3, message: "StreamID is no longer active" },
      ],
      [
        "an unknown service",
        (peer) => peer.request(1, 0, { service: "x.Y", method: "Z" }),
        { id: 1, code: 12, message: "service x.Y" },
      ],
      [
        "an unknown method",
        (peer) => peer.request(1, 0, { service: "test.Echo", method: "Z" }),
        { id: 1, code: 12, message: "method Z" },
      ],
      [
        "a request that cannot be decoded",
        (peer) => peer.send(1, REQUEST, 0, new Uint8Array([0x0a, 0x7f])),
        { id: 1, code: 3, message: /^unmarshal request error: / },
      ],
      [
        "a payload that cannot be decoded",
        (peer) =>
          peer.request(1, 0, { service: "test.Echo", method: "Echo", payload: new Uint8Array([0x0a, 0x7f, 1]) }),
        { id: 1, code: 13, message: /^ttrpc: error unmarshalling payload: / },
      ],
      [
        "a payload of a stream that cannot be decoded",
        (peer) => peer.request(1, 1, { service: "test.Echo", method: "Count", payload: new Uint8Array([0x0a, 0x7f]) }),
        { id: 1, code: 13, message: /^ttrpc: error unmarshalling payload: / },
      ],
      [
        "a frame of more than 4 MiB",
        (peer) => peer.stream.write(encodeFrame(1, REQUEST, 0, new Uint8Array((4 << 20) + 1))),
        { id: 1, code: 8, message: "message length 4194305 exceed maximum message size of 4194304" },
      ],
      [
        "a deadline that has passed before it came",
        (peer) => peer.request(1, 0, { ...to("Wait"), timeoutNano: -1 }),
        { id: 1, code: 4, message: "test.Echo/Wait: the deadline has passed" },
      ],
    ];
  for (const [what, act, expected] of refusals) {
    it(`refuses ${what}, and the connection lives on`, async () => {
      const { peer, server } = serve();
      act(peer);
      const status = await peer.status();
      assert.equal(status.id, expected.id);
      assert.equal(status.code, expected.code);
      if (typeof expected.message === "string") assert.equal(status.message, expected.message);
      else assert.match(status.message, expected.message);
      peer.request(99, 0, to("Echo", { text: "alive" }));
      assert.equal((await peer.status()).code, 0);
      assert.equal(server.activeCalls, 0);
    });
  }

  it("refuses an id that does not grow", async () => {
    const { peer } = serve();
    peer.request(5, 0, to("Echo"));
    assert.equal((await peer.status()).code, 0);
    for (const id of [5, 3]) {
      peer.request(id, 0, to("Echo"));
      const message = "StreamID cannot be re-used and must increment";
      assert.deepEqual(await peer.status(), { id, code: 3, message });
    }
  });

  it("refuses data on a stream that it has finished", async () => {
    const { peer } = serve();
    peer.request(1, 2, to("Chat", { text: "bye" }));
    assert.equal((await peer.frame())?.type, DATA);
    assert.equal((await peer.frame())?.flags, 5);
    peer.send(1, DATA, 5);
    assert.deepEqual(await peer.status(), { id: 1, code: 3, message: "StreamID is no longer active" });
  });

  it("delivers a message that comes with the close, and complains", async () => {
    const { peer } = serve();
    peer.request(1, 2, { service: "test.Echo", method: "Sum" });
    peer.send(1, DATA, 1, Note.encode({ count: 3 }));
    assert.deepEqual(await peer.status(), { id: 1, code: 3, message: "data close message cannot include data" });
    assert.equal(Note.decode(Response.decode((await peer.frame())?.data ?? empty).payload).count, 3);
  });

  it("refuses data behind the close", async () => {
    const { peer, echo } = serve();
    peer.request(1, 1, to("Count", { count: 0 }));
    peer.send(1, DATA, 0, Note.encode({}));
    assert.deepEqual(await peer.status(), { id: 1, code: 3, message: "data handling error: ttrpc: stream closed" });
    assert.equal(echo.waiting.length, 0);
  });

  it("ignores types that it does not know", async () => {
    const { peer } = serve();
    peer.send(1, 9, 255, new Uint8Array(10));
    peer.send(1, RESPONSE, 0, new Uint8Array(10));
    peer.request(3, 0, to("Echo"));
    assert.equal((await peer.status()).id, 3);
  });

  it("takes the first value of a metadata key, in any case, and no prototype", async () => {
    const { peer, echo } = serve();
    const metadata = [
      { key: "Containerd-Namespace-TTRPC", value: "one" },
      { key: "containerd-namespace-ttrpc", value: "two" },
      { key: "containerd-lease-ttrpc", value: "lease" },
      { key: "__proto__", value: "x" },
    ];
    peer.request(1, 0, { ...to("Echo"), metadata });
    assert.equal((await peer.status()).code, 0);
    assert.equal(echo.lastCalls[0]?.namespace, "one");
    assert.equal(echo.lastCalls[0]?.lease, "lease");
    assert.equal(Object.getPrototypeOf(echo.lastCalls[0]?.metadata), null);
  });

  it("drops a peer that asks and asks and never reads an answer", async () => {
    const { peer, near, far, lines, server } = serve({ maxPendingBytes: 100_000 });
    far.stall();
    for (let id = 1; id < 4000 && !near.closed; id += 2) {
      peer.request(id, 0, to("Echo", { data: new Uint8Array(1000) }));
      await far.drained.call(near);
    }
    assert.equal(near.closed || far.closed, true);
    assert.deepEqual(lines, ["a peer does not read its answers, closing its connection"]);
    await Promise.resolve();
    assert.equal(server.connections, 0);
  });

  it("keeps a stream's messages back while the peer does not read", async () => {
    const { peer, far } = serve();
    far.stall();
    peer.request(1, 1, to("Count", { count: 1000, data: new Uint8Array(64 << 10) }));
    for (let i = 0; i < 2000; i++) await Promise.resolve();
    assert.ok(far.pending < 1.2 * (1 << 20));
    far.unstall();
    let messages = 0;
    for (let frame = await peer.frame(); frame?.flags === 0; frame = await peer.frame()) messages += 1;
    assert.equal(messages, 1000);
  });

  it("bounds what the streams of a connection hold together", async () => {
    const { near, far } = memoryPair();
    const echo = new EchoServer();
    const impl = { ...echo.impl, sum: () => new Promise<Note>(() => {}) };
    const limits = { maxReceiveBytes: 100_000 };
    const server = createServer({ registrations: [{ service: Echo as never, impl }], log: keepingLog([]), limits });
    server.accept(far);
    const peer = new RawPeer(near);
    for (const id of [1, 3]) peer.request(id, 2, { service: "test.Echo", method: "Sum" });
    for (let i = 0; i < 8; i++) peer.send(1, DATA, 0, new Uint8Array(20_000));
    peer.send(3, DATA, 0, new Uint8Array(1000));
    assert.match((await peer.status()).message, /stream buffer full/);
    peer.request(5, 0, to("Echo"));
    // The rest of the failed stream's data is answered first.
    let status = await peer.status();
    while (status.id === 1) status = await peer.status();
    assert.deepEqual(status, { id: 5, code: 0, message: "" });
  });

  it("without streams says that a streaming method is unimplemented", async () => {
    const { near, far } = memoryPair();
    createUnaryServer({ registrations: [new EchoServer().registration], log: keepingLog([]) }).accept(far);
    const peer = new RawPeer(near);
    peer.request(1, 1, to("Count"));
    assert.equal((await peer.status()).code, 12);
    peer.request(3, 0, to("Echo"));
    assert.equal((await peer.status()).code, 0);
  });
});

describe("a client, frame by frame", () => {
  const connect = () => {
    const { near, far } = memoryPair();
    const client = createClient(near);
    return { client, notes: client.service(Echo), peer: new RawPeer(far) };
  };
  const error = async (promise: Promise<unknown>) => {
    try {
      await promise;
      return "ok";
    } catch (thrown) {
      return `${kindOf(thrown)}: ${(thrown as Error).message}`;
    }
  };

  it("sends the bytes of the protocol's test vector", async () => {
    const { near, far } = memoryPair();
    const bytes: number[] = [];
    far.start({ onData: (chunk) => bytes.push(...chunk), onClose() {} });
    const answer = error(createClient(near).service(Echo).echo({ text: "x" }));
    await near.drained();
    assert.deepEqual(bytes.slice(0, 10), [0, 0, 0, bytes.length - 10, 0, 0, 0, 1, 1, 0]);
    const request = Request.decode(new Uint8Array(bytes.slice(10)));
    assert.deepEqual([request.service, request.method, request.timeoutNano], ["test.Echo", "Echo", 0]);
    far.close();
    assert.match(await answer, /^unavailable/);
  });

  it("numbers its streams 1, 3, 5 and sends its flags, deadline and metadata", async () => {
    const { notes, peer } = connect();
    const calls = [
      error(notes.echo({}, { timeoutMs: 1500, namespace: "ns", lease: "l" })),
      error(collect(notes.count({ count: 1 }))),
      error(notes.sum(each([{ count: 1 }]))),
    ];
    const frames = [await peer.frame(), await peer.frame(), await peer.frame()];
    assert.deepEqual(
      frames.map((frame) => [frame?.id, frame?.type, frame?.flags]),
      [
        [1, REQUEST, 0],
        [3, REQUEST, 1],
        [5, REQUEST, 2],
      ],
    );
    const request = Request.decode(frames[0]?.data ?? empty);
    assert.equal(request.timeoutNano, 1.5e9);
    const metadata = request.metadata.map(({ key, value }) => `${key}=${value}`);
    assert.deepEqual(metadata, ["containerd-namespace-ttrpc=ns", "containerd-lease-ttrpc=l"]);
    assert.equal(Request.decode(frames[2]?.data ?? empty).payload.length, 0);
    assert.deepEqual(shown(await peer.frame()), { id: 5, type: DATA, flags: 0, length: 2 });
    assert.deepEqual(shown(await peer.frame()), { id: 5, type: DATA, flags: 5, length: 0 });
    peer.send(1, RESPONSE, 0, Response.encode({ status: { code: 0, message: "" } }));
    peer.send(3, DATA, 1, Note.encode({ count: 1 }));
    peer.send(5, RESPONSE, 0, Response.encode({}));
    assert.deepEqual(await Promise.all(calls), ["ok", "ok", "ok"]);
  });

  const answers: readonly [string, (peer: RawPeer) => void, string | RegExp][] = [
    ["a response without anything", (peer) => peer.send(1, RESPONSE, 0, empty), "ok"],
    [
      "a status that nobody has defined",
      (peer) => peer.send(1, RESPONSE, 0, Response.encode({ status: { code: 77, message: "odd" } })),
      "unknown: odd",
    ],
    ["data where a response is due", (peer) => peer.send(1, DATA, 0, empty), /^internal: .*unexpected frame of type 3/],
    [
      "garbage as a response",
      (peer) => peer.send(1, RESPONSE, 0, new Uint8Array([255])),
      /^internal: .*cannot be read/,
    ],
    [
      "garbage as a payload",
      (peer) => peer.send(1, RESPONSE, 0, Response.encode({ payload: new Uint8Array([255]) })),
      /^internal: ttrpc: error unmarshalling payload/,
    ],
    [
      "a response of more than 4 MiB",
      (peer) => peer.stream.write(encodeFrame(1, RESPONSE, 0, new Uint8Array((4 << 20) + 1))),
      "resource-exhausted: message length 4194305 exceed maximum message size of 4194304",
    ],
  ];
  for (const [what, act, expected] of answers) {
    it(`takes ${what} for that call only`, async () => {
      const { notes, peer } = connect();
      const first = error(notes.echo({}));
      const second = error(notes.echo({}));
      await peer.frame();
      act(peer);
      peer.send(9, RESPONSE, 0, empty);
      peer.send(3, RESPONSE, 0, Response.encode({}));
      if (typeof expected === "string") assert.equal(await first, expected);
      else assert.match(await first, expected);
      assert.equal(await second, "ok");
    });
  }

  it("sends nothing on a stream that the server has finished: Go's server would panic", async () => {
    const { notes, peer } = connect();
    let next: (note: { text: string }) => void = () => {};
    async function* requests() {
      yield { text: "a" };
      yield await new Promise<{ text: string }>((resolve) => {
        next = resolve;
      });
    }
    const talk = error(collect(notes.chat(requests())));
    assert.equal((await peer.frame())?.type, REQUEST);
    assert.equal((await peer.frame())?.type, DATA);
    peer.send(1, DATA, 5);
    assert.equal(await talk, "ok");
    next({ text: "too late" });
    const call = error(notes.echo({}));
    assert.equal((await peer.frame())?.id, 3);
    peer.send(3, RESPONSE, 0, Response.encode({}));
    assert.equal(await call, "ok");
  });

  it("fails a stream that nobody reads for a second, and the other calls go on", async () => {
    const { notes, peer } = connect();
    const stream = notes.count({});
    assert.equal((await peer.frame())?.id, 1);
    for (let i = 0; i < 66; i++) peer.send(1, DATA, 0, Note.encode({ count: i }));
    const call = error(notes.echo({}));
    assert.equal((await peer.frame())?.id, 3);
    peer.send(3, RESPONSE, 0, Response.encode({}));
    assert.equal(await call, "ok");
    await new Promise((resolve) => setTimeout(resolve, 1050));
    assert.equal(await error(collect(stream)), "resource-exhausted: ttrpc: stream buffer full");
  });

  it("reads a message that comes with the close, and one that comes as a response", async () => {
    const { notes, peer } = connect();
    const first = collect(notes.count({}));
    peer.send(1, DATA, 1, Note.encode({ count: 7 }));
    assert.deepEqual(
      (await first).map(({ count }) => count),
      [7],
    );
    const second = collect(notes.count({}));
    peer.send(3, RESPONSE, 0, Response.encode({ payload: Note.encode({ count: 8 }) }));
    assert.deepEqual(
      (await second).map(({ count }) => count),
      [8],
    );
  });
});
