import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BerthError, type ErrorKind, kindOf, type Log, notFound, silent } from "@berth/base";
import { type Method, message } from "@berth/proto";
import {
  addMetadata,
  type Call,
  clientOf,
  codeOf,
  createMemoryClient,
  errorOf,
  grpcKeys,
  Inbox,
  IncomingCall,
  kindOfCode,
  memoryTransport,
  newMetadata,
  register,
  statusOf,
} from "@berth/rpc";

interface Note {
  text: string;
  count: number;
}
const Note = message<Note>("test.Note", ["text", 1, 6, null, "count", 2, 1, null]);
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

function serve() {
  const calls: Call[] = [];
  const errors: string[] = [];
  const log: Log = { ...silent, error: (sentence) => errors.push(sentence), with: () => log };
  let yielded = 0;
  let left = false;
  const registration = register(Echo, {
    echo(request, call) {
      calls.push(call);
      if (request.text === "missing") throw notFound("note", "x");
      if (request.text === "bug") throw new TypeError("a bug");
      return { text: request.text };
    },
    wait: (_, call) =>
      new Promise((_resolve, reject) => {
        calls.push(call);
        call.signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      }),
    async *count(request) {
      try {
        for (let count = 0; count < request.count; count++) {
          yielded += 1;
          yield { count };
        }
        if (request.text === "fail") throw new BerthError("data-loss", "gone");
      } finally {
        left = true;
      }
    },
    async sum(requests) {
      let count = 0;
      for await (const request of requests) count += request.count;
      return { count };
    },
    async *chat(requests) {
      for await (const request of requests) yield { text: `re: ${request.text}` };
    },
  });
  const client = clientOf(Echo, memoryTransport([registration], log));
  return { registration, client, calls, errors, yielded: () => yielded, left: () => left };
}

async function outcome(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "ok";
  } catch (error) {
    return `${kindOf(error)}: ${(error as Error).message}`;
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function* upTo(count: number) {
  for (let i = 0; i < count; i++) yield { count: i, text: String(i) };
}

describe("a client in memory", () => {
  it("calls all four shapes", async () => {
    const { client } = serve();
    assert.deepEqual(await client.echo({ text: "a" }), { text: "a", count: 0 });
    assert.equal((await collect(client.count({ count: 100 }))).length, 100);
    assert.equal((await client.sum(upTo(100))).count, 4950);
    assert.deepEqual((await collect(client.chat(upTo(50)))).length, 50);
  });

  it("gives each side its own copy of a message", async () => {
    const { registration } = serve();
    const request = { text: "a", count: 1 };
    const answer = await createMemoryClient(Echo, registration).echo(request);
    assert.notEqual(answer, request);
  });

  it("passes errors through the status table, and logs only those that nobody expected", async () => {
    const { client, errors } = serve();
    assert.equal(await outcome(client.echo({ text: "missing" })), 'not-found: note "x": not found');
    assert.deepEqual(errors, []);
    assert.equal(await outcome(client.echo({ text: "bug" })), "unknown: a bug");
    assert.deepEqual(errors, ["a call failed unexpectedly"]);
    assert.equal(await outcome(collect(client.count({ count: 2, text: "fail" }))), "data-loss: gone");
  });

  it("refuses services that are not registered", async () => {
    const other = { ...Echo, typeName: "test.Other" };
    const client = createMemoryClient(other, serve().registration);
    assert.equal(await outcome(client.echo({})), "unimplemented: service test.Other");
    assert.equal(await outcome(collect(client.count({}))), "unimplemented: service test.Other");
  });

  it("brings namespace, lease and metadata", async () => {
    const { client, calls } = serve();
    await client.echo({}, { namespace: "n", lease: "l", metadata: { KEY: "v" } });
    assert.deepEqual([calls[0]?.namespace, calls[0]?.lease, calls[0]?.metadata.key], ["n", "l", "v"]);
  });

  it("ends a call by its signal and by its deadline, and the handler sees why", async () => {
    const { client, calls, errors } = serve();
    const controller = new AbortController();
    const waiting = outcome(client.wait({}, { signal: controller.signal }));
    controller.abort();
    assert.equal(await waiting, "canceled: test.Echo/Wait: canceled by the caller");
    assert.equal(
      await outcome(client.wait({}, { timeoutMs: 5 })),
      "deadline-exceeded: test.Echo/Wait: no answer within 5 ms",
    );
    assert.deepEqual(
      calls.map((call) => kindOf(call.signal.reason)),
      ["canceled", "deadline-exceeded"],
    );
    assert.deepEqual(errors, []);
  });

  it("does not let a handler run far ahead of its reader, and ends it when the reader leaves", async () => {
    const { client, yielded, left } = serve();
    for await (const note of client.count({ count: 1_000_000 })) if (note.count === 5) break;
    while (!left()) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(yielded() < 40, `${yielded()} were made`);
  });
});

describe("an incoming call", () => {
  const open = (timeoutMs: number | null) =>
    new IncomingCall({ method: "a/B", metadata: newMetadata(), keys: grpcKeys, log: silent, timeoutMs });

  it("is aborted once, with the first reason", () => {
    const call = open(null);
    let told = 0;
    call.onAbort = () => {
      told += 1;
    };
    call.abort(new BerthError("canceled", "one"));
    call.abort(new BerthError("canceled", "two"));
    assert.equal(told, 1);
    assert.equal((call.signal.reason as Error).message, "one");
  });

  it("has expired at once where its deadline has passed", () => {
    assert.equal(kindOf(open(-1).signal.reason), "deadline-exceeded");
    assert.equal(open(2 ** 40).signal.aborted, false);
  });

  it("takes the first value of a key in any case", () => {
    const metadata = newMetadata();
    addMetadata(metadata, "A", "1");
    addMetadata(metadata, "a", "2");
    addMetadata(metadata, "constructor", "3");
    assert.deepEqual({ ...metadata }, { a: "1", constructor: "3" });
  });
});

describe("status codes", () => {
  const kinds: readonly [ErrorKind, number][] = [
    ["canceled", 1],
    ["unknown", 2],
    ["invalid-argument", 3],
    ["deadline-exceeded", 4],
    ["not-found", 5],
    ["already-exists", 6],
    ["permission-denied", 7],
    ["resource-exhausted", 8],
    ["failed-precondition", 9],
    ["aborted", 10],
    ["out-of-range", 11],
    ["unimplemented", 12],
    ["internal", 13],
    ["unavailable", 14],
    ["data-loss", 15],
    ["unauthenticated", 16],
  ];
  for (const [kind, code] of kinds)
    it(`${kind} is ${code}, there and back`, () => {
      assert.equal(codeOf(kind), code);
      assert.equal(kindOfCode(code), kind);
      assert.equal(errorOf(statusOf(new BerthError(kind, "m"))).kind, kind);
    });

  it("that nobody has defined are unknown", () => assert.equal(kindOfCode(99), "unknown"));
});

describe("an inbox", () => {
  it("gives what was pushed before it ended, then the error, then nothing", async () => {
    const inbox = new Inbox<number>();
    inbox.push(1);
    inbox.end(new Error("broken"));
    inbox.push(2);
    assert.equal((await inbox.next()).value, 1);
    await assert.rejects(inbox.next(), /broken/);
    assert.equal((await inbox.next()).done, true);
  });

  it("that fails drops what waits", async () => {
    const inbox = new Inbox<number>();
    inbox.push(1);
    inbox.fail(new Error("broken"));
    await assert.rejects(inbox.next(), /broken/);
  });

  it("wakes a reader that waits when the reader itself leaves", async () => {
    const inbox = new Inbox<number>();
    const next = inbox.next();
    await inbox.return();
    assert.equal((await next).done, true);
  });

  it("keeps the order of many", async () => {
    const inbox = new Inbox<number>();
    for (let i = 0; i < 5000; i++) inbox.push(i);
    inbox.end();
    assert.deepEqual(await collect(inbox), [...Array(5000).keys()]);
  });
});
