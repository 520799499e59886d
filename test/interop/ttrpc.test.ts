// Our ttrpc and gRPC clients against the originals, and where a server of ours can be asked the same, against it too.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer as createNetServer } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { isNotFound, kindOf, silent } from "@berth/base";
import { connectGrpc } from "@berth/grpc";
import { packAny, type Service, unpackAny } from "@berth/proto";
import { TaskStart } from "@berth/proto/containerd/events";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Events } from "@berth/proto/containerd/services/events/ttrpc/v1";
import { Events as GrpcEvents } from "@berth/proto/containerd/services/events/v1";
import { Namespaces } from "@berth/proto/containerd/services/namespaces/v1";
import { Version } from "@berth/proto/containerd/services/version/v1";
import { ConnectRequest, type ConnectResponse, Task } from "@berth/proto/containerd/task/v2";
import { Request, Response } from "@berth/proto/ttrpc";
import { nodeByteStream } from "@berth/transport";
import { type ByteStream, createClient, createServer, encodeFrame, FrameDecoder, MAX_DATA } from "@berth/ttrpc";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { processesNaming } from "../support/leftovers.ts";
import { killNow } from "../support/processes.ts";

const skip = hasContainerd() ? false : "needs Debian's containerd, and root";

/** A server of the task service, at a socket. */
interface Target extends AsyncDisposable {
  readonly path: string;
}

const run = promisify(execFile);
const dial = (path: string): ByteStream => nodeByteStream(connect(path));

/** The Go shim, started as containerd would, without a containerd. */
async function goShim(): Promise<Target> {
  const dir = mkdtempSync("/run/berth-shim-");
  const bundle = join(dir, "b");
  mkdirSync(bundle);
  writeFileSync(join(bundle, "config.json"), JSON.stringify({ ociVersion: "1.0.2", annotations: {} }));
  // It logs to a FIFO that containerd has made.
  await run("mkfifo", [join(bundle, "log")]);
  const log = openSync(join(bundle, "log"), "r+");
  // It connects to its publisher's address before it serves; nobody has to answer there.
  const publisher = createNetServer();
  const publisherPath = join(dir, "c.sock.ttrpc");
  await new Promise<void>((resolve) => publisher.listen(publisherPath, resolve));
  const args = ["-namespace", "interop", "-address", join(dir, "c.sock"), "-publish-binary", "/bin/true", "-id", "x"];
  const env = { ...process.env, TTRPC_ADDRESS: publisherPath, GOMAXPROCS: "2" };
  const starting = run("/usr/bin/containerd-shim-runc-v2", [...args, "start"], { cwd: bundle, env });
  // It reads its options from stdin, to the end.
  starting.child.stdin?.end();
  const { stdout } = await starting;
  const path = stdout.trim().replace("unix://", "");
  return {
    path,
    async [Symbol.asyncDispose]() {
      for (const { pid } of processesNaming(dir)) killNow(pid);
      publisher.close();
      closeSync(log);
      rmSync(dir, { recursive: true, force: true });
      rmSync(path, { force: true });
    },
  };
}

/** Our own server, which knows Connect. */
async function ourServer(): Promise<Target> {
  const dir = mkdtempSync("/run/berth-own-");
  const path = join(dir, "s");
  const impl: Record<string, unknown> = {};
  for (const name of Object.keys(Task.methods)) impl[name] = () => ({});
  impl.connect = () => ({ shimPid: process.pid, version: "" });
  const server = createServer({ registrations: [{ service: Task as unknown as Service, impl }], log: silent });
  const listener = createNetServer((socket) => {
    server.accept(nodeByteStream(socket));
  });
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  return {
    path,
    async [Symbol.asyncDispose]() {
      server.close();
      await new Promise((resolve) => listener.close(resolve));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

interface Answer {
  readonly id: number;
  readonly code: number;
  readonly message: string;
}

/** A connection that sends frames and shows each response. */
function rawConnection(path: string) {
  const stream = dial(path);
  const answers: Answer[] = [];
  let wake: () => void = () => {};
  let closed = false;
  const decoder = new FrameDecoder({
    onFrame(id, type, flags, data) {
      assert.deepEqual([type, flags], [2, 0]);
      const { status, payload } = Response.decode(data);
      if (status !== null && status.code !== 0) assert.equal(payload.length, 0);
      answers.push({ id, code: status?.code ?? 0, message: status?.message ?? "" });
      wake();
    },
    onOversized: () => assert.fail("an oversized answer"),
  });
  stream.start({
    onData: (chunk) => decoder.push(chunk),
    onClose() {
      closed = true;
      wake();
    },
  });
  return {
    send: (id: number, type: number, data: Uint8Array) => stream.write(encodeFrame(id, type, 0, data)),
    request: (id: number, request: Parameters<typeof Request.encode>[0]) =>
      stream.write(encodeFrame(id, 1, 0, Request.encode(request))),
    async answer(): Promise<Answer | "closed"> {
      while (answers.length === 0 && !closed)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return answers.shift() ?? "closed";
    },
    [Symbol.dispose]: () => stream.close(),
  };
}
type RawConnection = ReturnType<typeof rawConnection>;

const connectRequest = {
  service: "containerd.task.v2.Task",
  method: "Connect",
  payload: ConnectRequest.encode({ id: "x" }),
};

interface Case {
  readonly what: string;
  readonly send: (to: RawConnection) => void;
  readonly id: number;
  readonly code: number;
  readonly message: string | RegExp;
}

/** What every server of ttrpc answers. */
const common: readonly Case[] = [
  { what: "a call", send: (to) => to.request(1, connectRequest), id: 1, code: 0, message: "" },
  {
    what: "a call with metadata that it does not know and a deadline",
    send: (to) =>
      to.request(1, { ...connectRequest, timeoutNano: 5e9, metadata: [{ key: "some-key", value: "some value" }] }),
    id: 1,
    code: 0,
    message: "",
  },
  {
    what: "a method that is not there",
    send: (to) => to.request(1, { ...connectRequest, method: "Nope" }),
    id: 1,
    code: 12,
    message: "method Nope",
  },
  {
    what: "a service that is not there",
    send: (to) => to.request(1, { ...connectRequest, service: "containerd.task.v9.Task" }),
    id: 1,
    code: 12,
    message: "service containerd.task.v9.Task",
  },
  {
    what: "a request of more than 4 MiB",
    send: (to) => to.send(1, 1, new Uint8Array(MAX_DATA + 1)),
    id: 1,
    code: 8,
    message: "message length 4194305 exceed maximum message size of 4194304",
  },
  {
    what: "an even stream id",
    send: (to) => to.request(4, connectRequest),
    id: 4,
    code: 3,
    message: "StreamID must be odd for client initiated streams",
  },
  {
    what: "an envelope that is not protobuf",
    send: (to) => to.send(1, 1, new Uint8Array([0x0a, 0x7f, 1])),
    id: 1,
    code: 3,
    message: /^unmarshal request error: /,
  },
  {
    what: "a payload that is not protobuf",
    send: (to) => to.request(1, { ...connectRequest, payload: new Uint8Array([0x0a, 0x7f, 1]) }),
    id: 1,
    code: 13,
    message: /^ttrpc: error unmarshalling payload: /,
  },
  {
    what: "a frame of an unknown type, which it ignores",
    send: (to) => {
      to.send(1, 77, new Uint8Array(5));
      to.request(3, connectRequest);
    },
    id: 3,
    code: 0,
    message: "",
  },
];

/** Where the versions differ: the code of each. */
const differences: readonly { what: string; send: (to: RawConnection) => void; go111: number; ours: number }[] = [
  {
    // Go enforces growing ids since ttrpc 1.2.
    what: "a stream id that was used before",
    send: (to) => {
      to.request(3, connectRequest);
      to.request(3, { ...connectRequest, method: "Nope" });
    },
    go111: 12,
    ours: 3,
  },
  {
    // Go runs the handler, and Connect does not look at its context; ours does not begin.
    what: "a deadline that has passed",
    send: (to) => {
      to.request(1, connectRequest);
      to.request(3, { ...connectRequest, timeoutNano: -1 });
    },
    go111: 0,
    ours: 4,
  },
];

const targets = [
  { name: "Debian's Go shim (ttrpc 1.1.1)", start: goShim, column: "go111" as const, skip },
  { name: "our server", start: ourServer, column: "ours" as const, skip: false as const },
];
for (const { name, start, column, skip } of targets) {
  describe(`${name} answers`, { skip }, () => {
    it("the common table, on one connection each, which lives on", async () => {
      await using target = await start();
      for (const { what, send, id, code, message } of common) {
        using to = rawConnection(target.path);
        send(to);
        const answer = await to.answer();
        assert.ok(answer !== "closed", what);
        assert.deepEqual([answer.id, answer.code], [id, code], `${what}: ${answer.message}`);
        if (typeof message === "string") assert.equal(answer.message, message, what);
        else assert.match(answer.message, message, what);
        to.request(101, connectRequest);
        assert.deepEqual(await to.answer(), { id: 101, code: 0, message: "" }, `${what}, and then a call`);
      }
    });

    it("the known differences in its own way", async () => {
      await using target = await start();
      for (const difference of differences) {
        using to = rawConnection(target.path);
        difference.send(to);
        const codes = [await to.answer(), await to.answer()].map((answer) => answer !== "closed" && answer.code);
        const expected = [0, difference[column]];
        assert.deepEqual(codes.sort(), expected.sort(), difference.what);
      }
    });

    it("our client, also a hundred calls at once", async () => {
      await using target = await start();
      const client = createClient(dial(target.path));
      const tasks = client.service(Task);
      const first: ConnectResponse = await tasks.connect({ id: "x" }, { timeoutMs: 5000, namespace: "interop" });
      assert.ok(first.shimPid > 0);
      const all = await Promise.all(Array.from({ length: 100 }, () => tasks.connect({ id: "x" })));
      assert.ok(all.every(({ shimPid }) => shimPid === first.shimPid));
      const missing = { ...Task, typeName: "containerd.task.v3.Task" };
      await assert.rejects(client.service(missing).connect({ id: "x" }), { kind: "unimplemented" });
      client.close();
      assert.equal(await client.closed, null);
    });
  });
}

describe("Debian's Go shim", { skip }, () => {
  it("shuts down when our client says so, and the connection ends", async () => {
    await using target = await goShim();
    const client = createClient(dial(target.path));
    const tasks = client.service(Task);
    await tasks.connect({ id: "x" });
    const answer = await tasks.shutdown({ id: "x" }).then(
      () => "ok",
      (error: unknown) => kindOf(error),
    );
    // It exits without waiting for its answer to leave.
    assert.ok(answer === "ok" || answer === "unavailable", answer);
    await client.closed;
    await assert.rejects(tasks.connect({ id: "x" }), { kind: "unavailable", message: "ttrpc: closed" });
  });
});

describe("Debian's containerd", { skip }, () => {
  it("takes events from our ttrpc client and gives them to our gRPC client; bad envelopes are refused", async () => {
    await using daemon = await startContainerd();
    using grpc = connectGrpc(daemon.address);
    const controller = new AbortController();
    const subscription = grpc.service(GrpcEvents).subscribe({ filters: [] }, { signal: controller.signal });
    const client = createClient(dial(daemon.ttrpcAddress));
    const { forward } = client.service(Events);
    const envelope = {
      timestamp: { seconds: 1_700_000_000, nanos: 5 },
      namespace: "interop",
      topic: "/tasks/start",
      event: packAny(TaskStart, { containerId: "c", pid: 42 }),
    };
    const iterator = subscription[Symbol.asyncIterator]();
    const next = iterator.next();
    // A subscription has no answer of its own: it is there once an event comes through.
    let seen = await Promise.race([forward({ envelope }).then(() => null), next]);
    while (seen === null) {
      await forward({ envelope });
      seen = await Promise.race([new Promise<null>((resolve) => setTimeout(() => resolve(null), 20)), next]);
    }
    assert.equal(seen.done, false);
    assert.equal(seen.value?.topic, "/tasks/start");
    assert.equal(seen.value?.namespace, "interop");
    assert.deepEqual(seen.value?.timestamp, envelope.timestamp);
    assert.equal(seen.value?.event && unpackAny(TaskStart, seen.value.event)?.pid, 42);

    const bad: readonly [string, object][] = [
      ["no namespace", { ...envelope, namespace: "" }],
      ["a namespace with a slash", { ...envelope, namespace: "a/b" }],
      ["a topic without a slash", { ...envelope, topic: "tasks" }],
      ["no topic", { ...envelope, topic: "" }],
      ["no timestamp", { ...envelope, timestamp: { seconds: -62_135_596_800 } }],
    ];
    for (const [what, wrong] of bad) {
      const outcome = await forward({ envelope: wrong }).then(() => "ok", kindOf);
      assert.equal(outcome, "invalid-argument", what);
    }
    controller.abort();
    await assert.rejects(
      (async () => {
        for (let result = await iterator.next(); !result.done; result = await iterator.next());
      })(),
      { kind: "canceled" },
    );
    client.close();
  });

  it("answers our gRPC client, with the kinds that we expect", async () => {
    await using daemon = await startContainerd();
    using grpc = connectGrpc(daemon.address);
    assert.match((await grpc.service(Version).version({})).version, /^1\.6\./);

    const namespaces = grpc.service(Namespaces);
    const namespace = "interop";
    // Its event needs a namespace, so the call does.
    const created = await namespaces.create({ namespace: { name: "interop", labels: { a: "ü" } } }, { namespace });
    assert.deepEqual({ ...created.namespace?.labels }, { a: "ü" });
    await assert.rejects(namespaces.create({ namespace: { name: "interop" } }, { namespace }), {
      kind: "already-exists",
    });
    await assert.rejects(namespaces.create({ namespace: { name: "no/such" } }, { namespace }), {
      kind: "invalid-argument",
    });
    assert.ok((await namespaces.list({})).namespaces.some(({ name }) => name === "interop"));

    const containers = grpc.service(Containers);
    const spec = {
      typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec",
      value: new Uint8Array([123, 125]),
    };
    const runtime = { name: "io.containerd.runc.v2" };
    await containers.create({ container: { id: "one", image: "i", runtime, spec } }, { namespace });
    const { container } = await containers.get({ id: "one" }, { namespace });
    assert.deepEqual([container?.id, container?.runtime?.name], ["one", "io.containerd.runc.v2"]);
    await assert.rejects(containers.create({ container: { id: "one", runtime, spec } }, { namespace }), {
      kind: "already-exists",
    });
    await assert.rejects(containers.get({ id: "two" }, { namespace }), (error) => isNotFound(error));
    await assert.rejects(containers.get({ id: "one" }, {}), { kind: "failed-precondition" });
    const listed: string[] = [];
    for await (const item of containers.listStream({}, { namespace })) listed.push(item.container?.id ?? "");
    assert.deepEqual(listed, ["one"]);
    await assert.rejects(namespaces.delete({ name: "interop" }, { namespace }), { kind: "failed-precondition" });
    await containers.delete({ id: "one" }, { namespace });
    await namespaces.delete({ name: "interop" }, { namespace });
    assert.ok(!(await namespaces.list({})).namespaces.some(({ name }) => name === "interop"));
  });
});
