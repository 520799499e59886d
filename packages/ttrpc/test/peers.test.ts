// What all connections of a server may make it keep.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Request, Response } from "@berth/proto/ttrpc";
import { type ByteStream, createClient, createServer, encodeFrame, type Limits } from "@berth/ttrpc";
import { Echo, EchoServer, keepingLog, Note } from "./echo-service.ts";
import { memoryPair } from "./memory-pair.ts";
import { RawPeer } from "./raw-peer.ts";

const MIB = 1 << 20;

function serve(limits: Partial<Limits>, more: Partial<EchoServer["impl"]> = {}) {
  const lines: string[] = [];
  const impl = { ...new EchoServer().impl, ...more };
  const server = createServer({ registrations: [{ service: Echo as never, impl }], log: keepingLog(lines), limits });
  const open = () => {
    const { near, far } = memoryPair({});
    server.accept(far);
    return new RawPeer(near);
  };
  return { server, lines, open };
}

const requestFrame = (id: number, data: Uint8Array): Uint8Array =>
  encodeFrame(id, 1, 0, Request.encode({ service: Echo.typeName, method: "Echo", payload: Note.encode({ data }) }));

describe("frames that do not come to their end", () => {
  it("are bounded over all connections: the one that has finished nothing for longest is closed", async () => {
    const { lines, open } = serve({ maxHeldBytes: 10 * MIB });
    const honest = open();
    honest.request(1, 0, { service: Echo.typeName, method: "Echo" });
    await honest.status();
    const partial = requestFrame(1, new Uint8Array(3 * MIB)).subarray(0, -1);
    const peers: RawPeer[] = [];
    for (let count = 0; count < 4; count++) {
      const peer = open();
      peers.push(peer);
      peer.stream.write(partial);
      // Answered once what was written before has come.
      honest.request(2 * count + 3, 0, { service: Echo.typeName, method: "Echo" });
      await honest.status();
    }
    assert.equal(await peers[0]?.frame(), null);
    assert.deepEqual(
      peers.map(({ closed }) => closed),
      [true, false, false, false],
    );
    assert.deepEqual(lines, ["a connection is closed: all together hold too many bytes"]);
    // The others may still finish, and then hold nothing.
    for (const peer of peers.slice(1)) {
      peer.stream.write(requestFrame(1, new Uint8Array(3 * MIB)).subarray(-1));
      assert.equal((await peer.frame())?.data.length, 3 * MIB + 10);
    }
    const late = open();
    late.stream.write(requestFrame(1, new Uint8Array(3 * MIB)));
    assert.ok(await late.frame());
  });
});

/** A stream whose peer takes nothing until it is told to. */
class Stuck implements ByteStream {
  pending = 0;
  isPaused = false;
  isClosed = false;
  last: Uint8Array | null = null;
  #handlers: Parameters<ByteStream["start"]>[0] | null = null;
  #drained: (() => void)[] = [];
  start(handlers: Parameters<ByteStream["start"]>[0]): void {
    this.#handlers = handlers;
  }
  receive(chunk: Uint8Array): void {
    this.#handlers?.onData(chunk);
  }
  write(chunk: Uint8Array): void {
    this.pending += chunk.length;
    this.last = chunk;
  }
  drained(): Promise<void> {
    return new Promise((resolve) => this.#drained.push(resolve));
  }
  take(): void {
    this.pending = 0;
    for (const resolve of this.#drained.splice(0)) resolve();
  }
  close(): void {
    this.isClosed = true;
    this.take();
    this.#handlers?.onClose(null);
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
}

const ticks = () => new Promise((resolve) => setImmediate(resolve));

describe("a peer that reads no answers", () => {
  it("is not read from until it has taken what is there", async () => {
    const { server } = serve({});
    const stuck = new Stuck();
    server.accept(stuck);
    for (let id = 1; id < 20 && !stuck.isPaused; id += 2) {
      stuck.receive(requestFrame(id, new Uint8Array(MIB)));
      await ticks();
    }
    assert.equal(stuck.isPaused, true);
    assert.ok(stuck.pending < 6 * MIB, `${stuck.pending} bytes`);
    stuck.take();
    await ticks();
    assert.equal(stuck.isPaused, false);
    stuck.receive(requestFrame(101, new Uint8Array(MIB)));
    await ticks();
    assert.equal(stuck.isPaused, false);
  });

  it("is not read from for small answers either, which cost more than their bytes", async () => {
    const { server } = serve({});
    const stuck = new Stuck();
    server.accept(stuck);
    let answers = 0;
    for (let id = 1; !stuck.isPaused && answers < 100_000; id += 2, answers++) {
      stuck.receive(requestFrame(id, new Uint8Array(0)));
      if (answers % 1000 === 0) await ticks();
    }
    assert.ok(answers < 20_000, `${answers} answers`);
  });

  it("is closed where all together hold too much", async () => {
    const { server } = serve({ maxHeldBytes: 10 * MIB });
    const all = Array.from({ length: 5 }, () => new Stuck());
    for (const stuck of all) {
      server.accept(stuck);
      for (let id = 1; id < 10; id += 2) stuck.receive(requestFrame(id, new Uint8Array(MIB)));
      await ticks();
    }
    const open = all.filter(({ isClosed }) => !isClosed);
    assert.ok(open.length > 0 && open.length < 3, `${open.length} of 5 are open`);
    assert.ok(open.reduce((sum, { pending }) => sum + pending, 0) <= 10 * MIB);
  });
});

describe("an upload whose handler takes its time", () => {
  const upload = encodeFrame(1, 1, 2, Request.encode({ service: Echo.typeName, method: "Sum" }));
  const message = (bytes: number) => encodeFrame(1, 3, 0, Note.encode({ count: 1, data: new Uint8Array(bytes) }));

  for (const [what, bytes] of [
    ["many messages", 10],
    ["many bytes", MIB],
  ] as const)
    it(`is waited for, with ${what}: its connection is not read from until it goes on`, async (t) => {
      t.mock.timers.enable({ apis: ["setTimeout"] });
      const { promise: goOn, resolve } = Promise.withResolvers<void>();
      const { server } = serve(
        { waitsForReaders: true },
        {
          async sum(requests) {
            await goOn;
            let count = 0;
            for await (const request of requests) count += request.count;
            return { count };
          },
        },
      );
      const stuck = new Stuck();
      server.accept(stuck);
      stuck.receive(upload);
      let sent = 0;
      while (!stuck.isPaused && sent < 1000) {
        stuck.receive(message(bytes));
        sent += 1;
      }
      assert.ok(sent < 100, `${sent} messages`);
      // Go's peers would fail the stream by now.
      t.mock.timers.tick(60_000);
      assert.equal(stuck.pending, 0);
      resolve();
      while (stuck.isPaused) await ticks();
      stuck.receive(encodeFrame(1, 3, 5, new Uint8Array(0)));
      while (stuck.pending === 0) await ticks();
      const response = Response.decode((stuck.last as Uint8Array).subarray(10));
      assert.equal(Note.decode(response.payload).count, sent);
    });
});

it("a client that waits for its readers gives a stream that was left lying, whole, however late it is read", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const stuck = new Stuck();
  const stream = createClient(stuck, { waitsForReaders: true }).service(Echo).count({});
  let sent = 0;
  while (!stuck.isPaused && sent < 1000) stuck.receive(encodeFrame(1, 3, 0, Note.encode({ count: ++sent })));
  assert.ok(sent < 100, `${sent} messages`);
  t.mock.timers.tick(60_000);
  const counts: number[] = [];
  for await (const { count } of stream) {
    counts.push(count);
    if (counts.length === sent) stuck.receive(encodeFrame(1, 3, 5, new Uint8Array(0)));
  }
  assert.deepEqual([counts.length, counts.at(-1), stuck.isPaused], [sent, sent, false]);
});
