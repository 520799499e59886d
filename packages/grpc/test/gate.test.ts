import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { silent } from "@berth/base";
import { createGrpcServer, type GrpcLimits } from "@berth/grpc";
import { type Method, message } from "@berth/proto";
import { type Call, register } from "@berth/rpc";

interface Note {
  data: Uint8Array;
}
const Note = message<Note>("test.Note", ["data", 1, 7, null]);
const method = <K extends Method["kind"]>(kind: K, name: string): Method<K, Note, Note> => ({
  kind,
  name,
  input: Note,
  output: Note,
});
const Peer = {
  typeName: "test.Peer",
  methods: { echo: method("unary", "Echo"), count: method("client-streaming", "Count") },
};

/** A server, and connections to it that speak HTTP/2 and do what no client library would. */
async function serve(limits: Partial<GrpcLimits> = {}) {
  const directory = mkdtempSync(join(tmpdir(), "berth-gate-"));
  const path = join(directory, "s");
  const calls: Call[] = [];
  let onCall = () => {};
  const server = createGrpcServer({
    log: silent,
    limits,
    registrations: [
      register(Peer, {
        echo(request, call) {
          calls.push(call);
          onCall();
          return request;
        },
        async count(requests) {
          let bytes = 0;
          for await (const { data } of requests) bytes += data.length;
          return { data: Buffer.from(String(bytes)) };
        },
      }),
    ],
  });
  await server.listen(path);
  const sessions: ClientHttp2Session[] = [];
  return {
    path,
    calls,
    untilCalled: (times: number) =>
      new Promise<void>((resolve) => {
        onCall = () => calls.length >= times && resolve();
        onCall();
      }),
    async dial(settings = {}) {
      const session = connect("http://x", { createConnection: () => createConnection(path), settings });
      session.on("error", () => {});
      sessions.push(session);
      await once(session, "remoteSettings");
      return session;
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await server.stop(0);
      rmSync(directory, { recursive: true });
    },
  };
}

const open = (session: ClientHttp2Session, name: string, headers = {}): ClientHttp2Stream =>
  session.request({
    ":method": "POST",
    ":path": `/test.Peer/${name}`,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });

function frame(data: Uint8Array): Buffer {
  const bytes = Note.encode({ data });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** The status of a call, or how its stream was reset. */
async function endOf(stream: ClientHttp2Stream): Promise<string> {
  let status = "";
  stream.on("response", (headers) => {
    status ||= String(headers["grpc-status"] ?? "");
  });
  stream.on("trailers", (headers) => {
    status = String(headers["grpc-status"]);
  });
  stream.on("error", () => {});
  stream.resume();
  await new Promise((resolve) => stream.once("close", resolve));
  return stream.rstCode === constants.NGHTTP2_NO_ERROR ? `status ${status}` : `reset ${stream.rstCode}`;
}

const REFUSED = `reset ${constants.NGHTTP2_REFUSED_STREAM}`;
const CALM = `reset ${constants.NGHTTP2_ENHANCE_YOUR_CALM}`;

describe("a header that comes twice", () => {
  for (const [header, values, wanted] of [
    ["containerd-namespace", ["moby", "other"], "moby"],
    ["containerd-lease", ["first", "second"], "first"],
    ["trace", ["a, b", "c"], "a, b"],
  ] as const)
    it(`counts once: ${header}`, async () => {
      await using served = await serve();
      const stream = open(await served.dial(), "Echo", { [header]: [...values] });
      stream.end(frame(new Uint8Array(0)));
      assert.equal(await endOf(stream), "status 0");
      assert.equal(served.calls[0]?.metadata[header], wanted);
    });

  it("counts once where it says how long the call may take", async () => {
    await using served = await serve();
    const stream = open(await served.dial(), "Echo", { "grpc-timeout": ["10S", "nonsense"] });
    stream.end(frame(new Uint8Array(0)));
    assert.equal(await endOf(stream), "status 0");
  });
});

describe("the calls of a peer", () => {
  it("are bounded for one connection", async () => {
    await using served = await serve({ connectionCalls: 10 });
    const session = await served.dial();
    assert.equal(session.remoteSettings.maxConcurrentStreams, 10);
  });

  it("are bounded for all connections, and served again when others have ended", async () => {
    await using served = await serve({ calls: 3 });
    const sessions = [await served.dial(), await served.dial()];
    const idle = [0, 1, 0].map((index) => open(sessions[index] as ClientHttp2Session, "Count"));
    for (const stream of idle) stream.write(frame(new Uint8Array(1)));
    // The connections are read in any order: every stream of the first is known before its next one is refused.
    const late = open(sessions[0] as ClientHttp2Session, "Echo");
    late.end(frame(new Uint8Array(0)));
    const later = open(sessions[0] as ClientHttp2Session, "Echo");
    later.end(frame(new Uint8Array(0)));
    const ends = await Promise.all([endOf(late), endOf(later)]);
    assert.ok(ends.includes(REFUSED), ends.join());
    for (const stream of idle) stream.end();
    assert.deepEqual(await Promise.all(idle.map(endOf)), ["status 0", "status 0", "status 0"]);
    const again = open(sessions[1] as ClientHttp2Session, "Echo");
    again.end(frame(new Uint8Array(0)));
    assert.equal(await endOf(again), "status 0");
  });

  it("are not served by a connection too many", async () => {
    await using served = await serve({ connections: 1 });
    await served.dial();
    const second = createConnection(served.path).resume();
    await once(second, "close");
  });
});

describe("bytes that nobody can use yet", () => {
  it("are bounded: a request that does not come to its end is ended, others go on", async () => {
    await using served = await serve({ requestBytes: 1 << 20 });
    const session = await served.dial();
    const whole = frame(new Uint8Array(700 << 10));
    const first = open(session, "Echo");
    first.write(whole.subarray(0, -1));
    const second = open(session, "Echo");
    second.on("error", () => {});
    second.write(whole.subarray(0, -1));
    const ends = [endOf(first), endOf(second)];
    const index = await Promise.race(ends.map((end, at) => end.then(() => at)));
    assert.equal(await ends[index], CALM);
    (index === 0 ? second : first).end(whole.subarray(-1));
    assert.equal(await ends[1 - index], "status 0");
    // What was held is given back.
    const third = open(session, "Echo");
    third.end(whole);
    assert.equal(await endOf(third), "status 0");
  });

  it("are not what an upload has sent and its handler has read", async () => {
    await using served = await serve({ requestBytes: 3 << 20 });
    const stream = open(await served.dial(), "Count");
    for (let sent = 0; sent < 20; sent++) stream.write(frame(new Uint8Array(1 << 20)));
    stream.end();
    assert.equal(await endOf(stream), "status 0");
  });

  it("are bounded: a connection that reads no answers gets no more calls", async () => {
    await using served = await serve({ connectionAnswerBytes: 1 << 20 });
    const session = await served.dial({ initialWindowSize: 0 });
    const echo = () => {
      const stream = open(session, "Echo");
      stream.end(frame(new Uint8Array(32 << 10)));
      return endOf(stream);
    };
    const ends = Array.from({ length: 64 }, echo);
    await served.untilCalled(64);
    for (let more = 0; more < 64; more++) ends.push(echo());
    assert.equal(await Promise.race(ends), REFUSED);
    const other = open(await served.dial(), "Echo");
    other.end(frame(new Uint8Array(64 << 10)));
    assert.equal(await endOf(other), "status 0");
  });
});
