// Properties over random input. Node only: fast-check does not run in the small host.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Request } from "@berth/proto/ttrpc";
import { createClient, createServer, encodeFrame, FrameDecoder } from "@berth/ttrpc";
import fc from "fast-check";
import { Echo, EchoServer, keepingLog, Note } from "./echo-service.ts";
import { memoryPair } from "./memory-pair.ts";
import { type Frame, RawPeer } from "./raw-peer.ts";

const frame = fc.record(
  {
    id: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 0xffffffff })),
    type: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 255 })),
    flags: fc.oneof(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 255 })),
    data: fc.uint8Array({ maxLength: 300 }),
  },
  { noNullPrototype: true },
);

const splits = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });

function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number;
    yield bytes.slice(at, at + size);
    at += size;
  }
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

describe("frames", () => {
  it("come out as they went in, however the bytes are split", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), splits, (frames, sizes) => {
        const seen: Frame[] = [];
        const decoder = new FrameDecoder({
          onFrame: (id, type, flags, data) => seen.push({ id, type, flags, data }),
          onOversized: () => assert.fail("nothing is oversized"),
        });
        const bytes = joined(frames.map(({ id, type, flags, data }) => encodeFrame(id, type, flags, data)));
        for (const chunk of cut(bytes, sizes)) {
          decoder.push(chunk);
          chunk.fill(0xee);
        }
        assert.deepEqual(seen, frames);
      }),
    );
  });

  it("of 4 MiB cost one copy or two, not one a chunk", (t) => {
    let copied = 0;
    for (const name of ["set", "slice"] as const) {
      const real = Uint8Array.prototype[name] as (this: Uint8Array, ...args: unknown[]) => Uint8Array | undefined;
      t.mock.method(Uint8Array.prototype, name, function (this: Uint8Array, ...args: unknown[]) {
        const result = real.apply(this, args);
        copied += name === "set" ? (args[0] as Uint8Array).length : (result?.length ?? 0);
        return result;
      } as never);
    }
    const bytes = encodeFrame(1, 1, 0, new Uint8Array(4 << 20).fill(7));
    let length = 0;
    const decoder = new FrameDecoder({
      onFrame: (_id, _type, _flags, data) => {
        length = data.length;
      },
      onOversized: () => {},
    });
    copied = 0; // what the frame itself took
    for (let at = 0; at < bytes.length; at += 64) decoder.push(bytes.subarray(at, at + 64));
    assert.equal(length, 4 << 20);
    // 65536 chunks; quadratic copying would be 128 GiB.
    assert.ok(copied >= 4 << 20 && copied <= 3 * (4 << 20), `${copied} bytes`);
  });

  it("over the limit are skipped without being kept", () => {
    const oversized: number[] = [];
    const seen: number[] = [];
    const decoder = new FrameDecoder({
      onFrame: (id) => seen.push(id),
      onOversized: (id, _type, length) => oversized.push(id, length),
    });
    const header = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 3, 1, 0]);
    decoder.push(header);
    const before = process.memoryUsage().arrayBuffers;
    const chunk = new Uint8Array(1 << 20);
    for (let i = 0; i < 4095; i++) decoder.push(chunk);
    decoder.push(chunk.subarray(1));
    decoder.push(encodeFrame(5, 1, 0, new Uint8Array(3)));
    assert.deepEqual(oversized, [3, 0xffffffff]);
    assert.deepEqual(seen, [5]);
    assert.ok(process.memoryUsage().arrayBuffers - before < 8 << 20);
  });

  it("that are announced and do not come cost nothing", () => {
    const decoder = new FrameDecoder({ onFrame: () => {}, onOversized: () => {} });
    const before = process.memoryUsage().arrayBuffers;
    const decoders = [decoder];
    for (let i = 0; i < 200; i++) {
      const next = new FrameDecoder({ onFrame: () => {}, onOversized: () => {} });
      next.push(new Uint8Array([0, 0x40, 0, 0, 0, 0, 0, 1, 1, 0, 1]));
      decoders.push(next);
    }
    assert.equal(decoders.length, 201);
    assert.ok(process.memoryUsage().arrayBuffers - before < 200 * (64 << 10));
  });
});

describe("a server under random bytes", () => {
  const serve = () => {
    const { near, far } = memoryPair();
    const lines: string[] = [];
    const server = createServer({ registrations: [new EchoServer().registration], log: keepingLog(lines) });
    server.accept(far);
    return { near, far, server, lines };
  };

  it("does not throw, and serves the next connection", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), splits, async (bytes, sizes) => {
        const { near, far, server, lines } = serve();
        for (const chunk of cut(bytes, sizes)) near.write(chunk);
        await near.drained();
        near.close();
        while (!far.closed || server.connections > 0) await Promise.resolve();
        assert.deepEqual(lines, []);
        const next = memoryPair();
        server.accept(next.far);
        assert.equal((await createClient(next.near).service(Echo).echo({ text: "next" })).text, "next");
      }),
      { numRuns: 200 },
    );
  });

  it("in well-formed frames answers every one with something sensible, and stays alive", async () => {
    const request = fc.record({
      service: fc.constantFrom("test.Echo", "test.Other"),
      method: fc.constantFrom("Echo", "Count", "Sum", "Chat", "Nope"),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 30 }),
        fc.integer({ min: 0, max: 50 }).map((count) => Note.encode({ count })),
      ),
    });
    const any = fc.oneof(
      frame.map(({ id, type, flags, data }) => encodeFrame(id, type, flags, data)),
      fc
        .tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 3 }), request)
        .map(([id, flags, value]) => encodeFrame(id, 1, flags, Request.encode(value))),
      fc
        .tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 7 }), fc.uint8Array({ maxLength: 10 }))
        .map(([id, flags, data]) => encodeFrame(id, 3, flags, data)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(any, { maxLength: 60 }), async (frames) => {
        const { near, server, lines } = serve();
        const peer = new RawPeer(near);
        for (const bytes of frames) near.write(bytes);
        peer.request(0x7fffffff, 0, { service: "test.Echo", method: "Echo", payload: Note.encode({ text: "alive" }) });
        let answer = await peer.frame();
        while (answer !== null && answer.id !== 0x7fffffff) answer = await peer.frame();
        // A random request may have taken a higher id; then ours is refused, but it is answered.
        assert.notEqual(answer, null);
        near.close();
        while (server.activeCalls > 0) await Promise.resolve();
        assert.deepEqual(lines, []);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a client under random bytes", () => {
  it("fails its calls with a kind, or lets them wait; it never throws", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 30 }), fc.uint8Array({ maxLength: 40 }), async (frames, tail) => {
        const { near, far } = memoryPair();
        const client = createClient(near);
        const notes = client.service(Echo);
        far.start({ onData() {}, onClose() {} });
        const calls = [notes.echo({}), notes.echo({})].map((call) => call.catch((error: Error) => error));
        const stream = notes.count({});
        for (const { id, type, flags, data } of frames) far.write(encodeFrame(id, type, flags, data));
        far.write(tail);
        await far.drained();
        client.close();
        for (const result of await Promise.all(calls))
          assert.ok(!(result instanceof Error) || result.name === "BerthError");
        try {
          for await (const _ of stream);
        } catch (error) {
          assert.equal((error as Error).name, "BerthError");
        }
        assert.equal(await client.closed, null);
      }),
      { numRuns: 200 },
    );
  });
});
