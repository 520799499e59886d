import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BerthError, kindOf, type Log, notFound, silent } from "@berth/base";
import { connectGrpc, createGrpcServer } from "@berth/grpc";
import { type Method, message } from "@berth/proto";
import { type Call, register } from "@berth/rpc";

interface Note {
  text: string;
  count: number;
  data: Uint8Array;
}
const Note = message<Note>("test.Note", ["text", 1, 6, null, "count", 2, 1, null, "data", 3, 7, null]);
const method = <K extends Method["kind"]>(kind: K, name: string): Method<K, Note, Note> => ({
  kind,
  name,
  input: Note,
  output: Note,
});
const Echo = {
  typeName: "test.Echo",
  methods: {
    echo: method("unary", "Echo"),
    wait: method("unary", "Wait"),
    count: method("server-streaming", "Count"),
    sum: method("client-streaming", "Sum"),
    chat: method("bidi-streaming", "Chat"),
  },
};

async function serve() {
  const dir = mkdtempSync(join(tmpdir(), "berth-grpc-"));
  const path = join(dir, "x.sock");
  const calls: Call[] = [];
  const aborted: unknown[] = [];
  const errors: string[] = [];
  let onAbort: (() => void) | null = null;
  let yielded = 0;
  const log: Log = { ...silent, error: (_, fields) => errors.push(String(fields?.err)), with: () => log };
  const server = createGrpcServer({
    log,
    registrations: [
      register(Echo, {
        echo(request, call) {
          calls.push(call);
          if (request.text === "not found") throw notFound("note", "grüße 100% \ud800");
          if (request.text === "bug") throw new TypeError("a bug");
          if (request.text === "misshapen") return { data: 5 as unknown as Uint8Array };
          if (request.text === "long") throw new BerthError("aborted", "x".repeat(1 << 20));
          return request;
        },
        wait(_, call) {
          return new Promise((_resolve, reject) => {
            call.signal.addEventListener("abort", () => {
              aborted.push(call.signal.reason);
              onAbort?.();
              reject(call.signal.reason);
            });
          });
        },
        async *count(request, call) {
          try {
            for (let i = 0; i < request.count; i++) {
              yielded += 1;
              yield { count: i, data: request.data };
            }
            if (request.text === "then fail") throw new BerthError("data-loss", "the rest is gone");
          } finally {
            if (call.signal.aborted) {
              aborted.push(call.signal.reason);
              onAbort?.();
            }
          }
        },
        async sum(requests) {
          let count = 0;
          for await (const request of requests) count += request.count;
          return { count };
        },
        async *chat(requests) {
          for await (const request of requests) {
            yield { text: `re: ${request.text}` };
            if (request.text === "bye") return;
          }
          yield { text: "closed" };
        },
      }),
    ],
  });
  await server.listen(path);
  const client = connectGrpc(path);
  return {
    path,
    calls,
    aborted,
    errors,
    server,
    client,
    notes: client.service(Echo),
    yielded: () => yielded,
    untilAborted: () =>
      new Promise<void>((resolve) => {
        if (aborted.length > 0) resolve();
        else onAbort = resolve;
      }),
    async [Symbol.asyncDispose]() {
      client.close();
      await server.stop(50);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function outcome(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "ok";
  } catch (error) {
    return error instanceof BerthError ? `${kindOf(error)}: ${error.message}` : `not ours: ${error}`;
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield item;
}

describe("gRPC", () => {
  it("serves all four shapes", async () => {
    await using served = await serve();
    const { notes } = served;
    assert.equal((await notes.echo({ text: "grüß" })).text, "grüß");
    const counts = (await collect(notes.count({ count: 100 }))).map(({ count }) => count);
    assert.deepEqual(counts, [...Array(100).keys()]);
    assert.equal((await notes.sum(each([{ count: 1 }, { count: 2 }, {}]))).count, 3);
    const texts = (await collect(notes.chat(each([{ text: "a" }, { text: "b" }])))).map(({ text }) => text);
    assert.deepEqual(texts, ["re: a", "re: b", "closed"]);
  });

  it("lets a server end a talk while the client still has something to say", async () => {
    await using served = await serve();
    async function* requests() {
      yield { text: "bye" };
      await new Promise(() => {});
    }
    assert.deepEqual((await collect(served.notes.chat(requests()))).length, 1);
    assert.equal((await served.notes.echo({ text: "alive" })).text, "alive");
  });

  it("carries errors with their kind and text, whatever letters are in it", async () => {
    await using served = await serve();
    const { notes } = served;
    assert.equal(await outcome(notes.echo({ text: "not found" })), 'not-found: note "grüße 100% \\ud800": not found');
    assert.equal(await outcome(notes.echo({ text: "bug" })), "unknown: a bug");
    assert.match(await outcome(notes.echo({ text: "misshapen" })), /^unknown: /);
    assert.match(await outcome(notes.echo({ text: "long" })), /^aborted: x{8192}…$/);
    assert.deepEqual(served.errors.length, 2);
    const seen: number[] = [];
    const reading = async () => {
      for await (const note of notes.count({ count: 20, text: "then fail" })) seen.push(note.count);
    };
    assert.equal(await outcome(reading()), "data-loss: the rest is gone");
    assert.equal(seen.length, 20);
  });

  it("answers unimplemented for what it does not serve", async () => {
    await using served = await serve();
    const other = served.client.service({ ...Echo, typeName: "test.Other" });
    assert.match(await outcome(other.echo({})), /^unimplemented: /);
  });

  it("brings namespace, lease and metadata", async () => {
    await using served = await serve();
    await served.notes.echo({}, { namespace: "k8s.io", lease: "l1", metadata: { Trace: "t" } });
    const call = served.calls[0];
    assert.deepEqual([call?.namespace, call?.lease, call?.metadata.trace], ["k8s.io", "l1", "t"]);
  });

  it("aborts the handler when the caller gives up, or is too late", async () => {
    await using served = await serve();
    const controller = new AbortController();
    const waiting = outcome(served.notes.wait({}, { signal: controller.signal }));
    while (served.server.activeCalls === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    assert.match(await waiting, /^canceled: /);
    await served.untilAborted();
    assert.equal(kindOf(served.aborted.shift()), "canceled");
    assert.match(await outcome(served.notes.wait({}, { timeoutMs: 30 })), /^deadline-exceeded: /);
    await served.untilAborted();
    while (served.server.activeCalls > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it("stops a handler that yields without end when the reader leaves, and does not run far ahead of it", async () => {
    await using served = await serve();
    let read = 0;
    for await (const note of served.notes.count({ count: 1_000_000, data: new Uint8Array(64 << 10) })) {
      read += note.data.length > 0 ? 1 : 0;
      if (read === 20) break;
    }
    await served.untilAborted();
    assert.ok(served.yielded() < 500, `${served.yielded()} messages were made for 20 read`);
  });

  it("takes messages up to 16 MiB and refuses longer ones", async () => {
    await using served = await serve();
    const data = new Uint8Array((16 << 20) - 100);
    assert.equal((await served.notes.echo({ data })).data.length, data.length);
    assert.match(await outcome(served.notes.echo({ data: new Uint8Array(17 << 20) })), /^resource-exhausted: /);
    assert.equal(await outcome(served.notes.echo({})), "ok");
  });

  it("listens for owner and group, at a path that is free", async () => {
    await using served = await serve();
    assert.equal(statSync(served.path).mode & 0o777, 0o660);
    const second = createGrpcServer({ registrations: [], log: silent });
    assert.match(await outcome(second.listen(served.path)), /^unavailable: cannot listen on/);
    assert.match(await outcome(second.listen("/nonexistent/x.sock")), /^unavailable: cannot listen on/);
  });

  it("stops within its grace though a call never ends", async () => {
    const served = await serve();
    const waiting = outcome(served.notes.wait({}));
    while (served.server.activeCalls === 0) await new Promise((resolve) => setImmediate(resolve));
    await served.server.stop(20);
    assert.notEqual(await waiting, "ok");
    assert.equal(kindOf(served.aborted[0]), "canceled");
    await served[Symbol.asyncDispose]();
  });

  it("says unavailable where nobody listens", async () => {
    using client = connectGrpc("unix:///nonexistent/x.sock");
    assert.match(await outcome(client.service(Echo).echo({})), /^unavailable: /);
  });
});
