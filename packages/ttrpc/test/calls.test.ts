import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BerthError, kindOf, silent } from "@berth/base";
import { createClient, createServer, type Limits, MAX_DATA } from "@berth/ttrpc";
import { collect, Echo, EchoServer, each, keepingLog } from "./echo-service.ts";
import { memoryPair, type PairOptions } from "./memory-pair.ts";

function connect(options: PairOptions & { limits?: Partial<Limits> } = {}) {
  const { near, far } = memoryPair(options);
  const echo = new EchoServer();
  const lines: string[] = [];
  const limits = options.limits ?? {};
  const server = createServer({ registrations: [echo.registration], log: keepingLog(lines), limits });
  server.accept(far, { pid: 1 });
  const client = createClient(near);
  return { near, far, echo, lines, server, client, notes: client.service(Echo) };
}

const kindFrom = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return "ok";
  } catch (error) {
    return error instanceof BerthError ? `${kindOf(error)}: ${error.message}` : `not ours: ${error}`;
  }
};

for (const chunk of [1, 7, 1 << 30]) {
  describe(`with chunks of at most ${chunk} bytes`, () => {
    it("answers a unary call", async () => {
      const { notes } = connect({ chunk });
      const answer = await notes.echo({ text: "grüß", count: -5, data: new Uint8Array([1, 2, 3]) });
      assert.equal(answer.text, "grüß");
      assert.equal(answer.count, -5);
      assert.deepEqual([...answer.data], [1, 2, 3]);
    });

    it("answers an empty message with an empty message", async () => {
      const { notes } = connect({ chunk });
      assert.equal((await notes.echo({})).text, "");
    });

    it("passes a server's stream on, empty messages too", async () => {
      const { notes } = connect({ chunk });
      const counts = (await collect(notes.count({ count: 70 }))).map((note) => note.count);
      assert.deepEqual(counts, [...Array(70).keys()]);
      assert.deepEqual(await collect(notes.count({})), []);
    });

    it("gives what came before an error, then the error", async () => {
      const { notes } = connect({ chunk });
      const seen: number[] = [];
      const reading = async () => {
        for await (const note of notes.count({ count: 3, text: "then fail" })) seen.push(note.count);
      };
      assert.equal(await kindFrom(reading()), "data-loss: the rest is gone");
      assert.deepEqual(seen, [0, 1, 2]);
    });

    it("takes a client's stream and answers once", async () => {
      const { notes } = connect({ chunk });
      const many = [...Array(200).keys()].map((count) => ({ count }));
      assert.equal((await notes.sum(each(many))).count, 19900);
      assert.equal((await notes.sum(each([]))).count, 0);
    });

    it("talks both ways until the client is done", async () => {
      const { notes } = connect({ chunk });
      const texts = (await collect(notes.chat(each([{ text: "a" }, {}, { text: "b" }])))).map((note) => note.text);
      assert.deepEqual(texts, ["re: a", "re: ", "re: b", "closed"]);
    });

    it("talks both ways until the server is done, and then asks for no more requests", async () => {
      const { notes } = connect({ chunk });
      let returned = false;
      async function* requests() {
        try {
          yield { text: "bye" };
          await new Promise(() => {});
        } finally {
          returned = true;
        }
      }
      const texts = (await collect(notes.chat(requests()))).map((note) => note.text);
      assert.deepEqual(texts, ["re: bye"]);
      assert.equal(returned, false); // the generator waits for ever, which nobody can change
    });

    it("ends a talk with the server's error", async () => {
      const { notes } = connect({ chunk });
      assert.equal(await kindFrom(collect(notes.chat(each([{ text: "fail" }])))), "aborted: the talk is over");
    });
  });
}

describe("a call", () => {
  it("runs beside others and may be answered out of order", async () => {
    const { notes, echo, server } = connect();
    const first = notes.wait({ count: 1 });
    const second = notes.wait({ count: 2 });
    await echo.arrived(2);
    assert.equal(server.activeCalls, 2);
    echo.waiting[1]?.open();
    assert.equal((await second).count, 2);
    echo.waiting[0]?.open();
    assert.equal((await first).count, 1);
    assert.equal(server.activeCalls, 0);
  });

  it("carries the error of its handler", async () => {
    const { notes, lines } = connect();
    assert.equal(await kindFrom(notes.echo({ text: "not found" })), 'not-found: note "x": not found');
    assert.deepEqual(lines, []);
  });

  it("that fails unexpectedly is unknown, and is logged once", async () => {
    const { notes, lines } = connect();
    assert.equal(await kindFrom(notes.echo({ text: "bug" })), "unknown: a bug");
    assert.deepEqual(lines, ["a call failed unexpectedly: TypeError: a bug"]);
  });

  it("brings namespace, lease and metadata, keys in lower case", async () => {
    const { notes, echo } = connect();
    await notes.echo({}, { namespace: "k8s.io", lease: "l1", metadata: { Trace: "t", __proto__x: "1" } });
    const call = echo.lastCalls[0];
    assert.equal(call?.namespace, "k8s.io");
    assert.equal(call?.lease, "l1");
    assert.equal(call?.metadata.trace, "t");
    assert.equal(call?.method, "test.Echo/Echo");
  });

  it("without metadata has an empty namespace and lease", async () => {
    const { notes, echo } = connect();
    await notes.echo({});
    assert.equal(echo.lastCalls[0]?.namespace, "");
    assert.equal(echo.lastCalls[0]?.lease, "");
  });

  it("to an unknown service or method is unimplemented, in Go's words", async () => {
    const { client } = connect();
    const other = client.service({ ...Echo, typeName: "test.Other" });
    assert.equal(await kindFrom(other.echo({})), "unimplemented: service test.Other");
    const renamed = { ...Echo, methods: { ...Echo.methods, echo: { ...Echo.methods.echo, name: "Shout" } } };
    assert.equal(await kindFrom(client.service(renamed).echo({})), "unimplemented: method Shout");
  });

  it("whose request is over 4 MiB is refused here, and the connection lives on", async () => {
    const { notes } = connect();
    assert.match(
      await kindFrom(notes.echo({ data: new Uint8Array(MAX_DATA) })),
      /^resource-exhausted: message length \d+ exceed maximum message size of 4194304$/,
    );
    assert.equal((await notes.echo({ text: "alive" })).text, "alive");
  });

  it("whose answer is over 4 MiB gets an error, and the connection lives on", async () => {
    const { notes } = connect();
    assert.match(await kindFrom(notes.echo({ text: "huge", count: MAX_DATA })), /^resource-exhausted: message length/);
    assert.equal((await notes.echo({ text: "huge", count: MAX_DATA - 100 })).data.length, MAX_DATA - 100);
  });

  it("with a message over 4 MiB in a stream fails, and the connection lives on", async () => {
    const { notes } = connect();
    const data = new Uint8Array(MAX_DATA);
    assert.match(await kindFrom(notes.sum(each([{ data }]))), /^resource-exhausted: message length/);
    assert.equal((await notes.echo({ text: "alive" })).text, "alive");
  });

  it("ends at its deadline on both sides", async () => {
    const { notes, echo, server } = connect();
    assert.match(await kindFrom(notes.wait({}, { timeoutMs: 20 })), /^deadline-exceeded: test.Echo\/Wait: no answer/);
    while (server.activeCalls > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.match(echo.aborted[0] ?? "", /the deadline has passed/);
  });

  it("whose deadline has passed is not sent", async () => {
    const { notes, near } = connect();
    assert.match(await kindFrom(notes.echo({}, { timeoutMs: 0 })), /^deadline-exceeded/);
    assert.equal(near.written, 0);
  });

  it("can be given up, and its late answer harms nobody", async () => {
    const { notes, echo } = connect();
    const controller = new AbortController();
    const waiting = notes.wait({}, { signal: controller.signal });
    await echo.arrived(1);
    controller.abort();
    assert.match(await kindFrom(waiting), /^canceled: test.Echo\/Wait/);
    echo.waiting[0]?.open();
    assert.equal((await notes.echo({ text: "next" })).text, "next");
    assert.match(await kindFrom(notes.echo({}, { signal: controller.signal })), /^canceled/);
  });

  it("fails with unavailable when the connection goes, and its handler is aborted", async () => {
    const { notes, echo, client, far, server } = connect();
    const waiting = notes.wait({});
    await echo.arrived(1);
    far.close();
    assert.equal(await kindFrom(waiting), "unavailable: ttrpc: closed");
    assert.equal(await client.closed, null);
    assert.deepEqual(echo.aborted, ["test.Echo/Wait: the caller has gone"]);
    assert.equal(await kindFrom(notes.echo({})), "unavailable: ttrpc: closed");
    await Promise.resolve();
    assert.equal(server.activeCalls, 0);
  });

  it("fails when the client is closed, streams as well", async () => {
    const { notes, echo, client } = connect();
    const waiting = notes.wait({});
    const talk = notes.chat(
      (async function* () {
        yield { text: "hello" };
        await new Promise(() => {});
      })(),
    );
    await echo.arrived(1);
    client.close();
    assert.equal(await kindFrom(waiting), "unavailable: ttrpc: closed");
    assert.equal(await kindFrom(collect(talk)), "unavailable: ttrpc: closed");
    assert.equal(await client.closed, null);
  });

  it("beyond the connection's number of calls is refused", async () => {
    const { notes, echo } = connect({ limits: { maxCalls: 2 } });
    const calls = [notes.wait({}), notes.wait({})];
    await echo.arrived(2);
    assert.match(await kindFrom(notes.echo({})), /^resource-exhausted: more than 2 calls/);
    for (const gate of echo.waiting) gate.open();
    await Promise.all(calls);
    assert.equal(await kindFrom(notes.echo({})), "ok");
  });

  it("beyond the connection's bytes of requests is refused", async () => {
    const { notes, echo } = connect({ limits: { maxRequestBytes: 1000 } });
    const call = notes.wait({ data: new Uint8Array(800) });
    await echo.arrived(1);
    assert.match(await kindFrom(notes.echo({ data: new Uint8Array(300) })), /^resource-exhausted: the calls of one/);
    echo.waiting[0]?.open();
    await call;
  });
});

describe("a server", () => {
  it("that shuts down answers what it has begun, refuses the rest and then closes", async () => {
    const { notes, echo, client, server } = connect();
    const idle = memoryPair();
    server.accept(idle.far);
    const idleClient = createClient(idle.near);
    const waiting = notes.wait({ text: "last" });
    await echo.arrived(1);
    const gone = server.shutdown();
    await idleClient.closed;
    assert.match(await kindFrom(notes.echo({})), /^unavailable: the server is shutting down/);
    echo.waiting[0]?.open();
    assert.equal((await waiting).text, "last");
    await client.closed;
    await gone;
    assert.equal(server.connections, 0);
  });

  it("that shuts down does not wait for ever", async () => {
    const { notes, echo, server } = connect();
    const waiting = notes.wait({});
    await echo.arrived(1);
    await server.shutdown(10);
    assert.equal(await kindFrom(waiting), "unavailable: ttrpc: closed");
  });

  it("refuses to be made from two implementations of a service", () => {
    const { registration } = new EchoServer();
    assert.throws(() => createServer({ registrations: [registration, registration], log: silent }), /registered twice/);
  });
});
