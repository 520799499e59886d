import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { packAny, topics } from "@berth/proto";
import { type ContainerSummary, Engine } from "@berth/proto/berth/v1";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Content, WriteAction } from "@berth/proto/containerd/services/content/v1";
import { Events } from "@berth/proto/containerd/services/events/v1";
import { Images } from "@berth/proto/containerd/services/images/v1";
import { Introspection } from "@berth/proto/containerd/services/introspection/v1";
import { Leases } from "@berth/proto/containerd/services/leases/v1";
import { Namespaces } from "@berth/proto/containerd/services/namespaces/v1";
import { Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { Version } from "@berth/proto/containerd/services/version/v1";
import { RuntimeInfo, RuntimeRequest } from "@berth/proto/containerd/types";
import { Status } from "@berth/proto/containerd/v1/types";
import { Health } from "@berth/proto/grpc/health/v1";
import { type Harness, namespace, sha256, startHarness } from "./harness.ts";

const options = { namespace };
const spec = { typeUrl: "x", value: new Uint8Array([1]) };
const bytes = (text: string) => new TextEncoder().encode(text);

let h: Harness;
before(async () => {
  h = await startHarness();
});
after(() => h[Symbol.asyncDispose]());

/** The topics that are published while something is done. */
async function topicsOf(act: () => Promise<unknown>): Promise<string[]> {
  const stop = new AbortController();
  const seen: string[] = [];
  const events = h.runtime.events.subscribe([], stop.signal);
  const reading = (async () => {
    for await (const { topic, namespace: where } of events) {
      if (topic === "/test/end") return;
      seen.push(`${where} ${topic}`);
    }
  })();
  await act();
  h.runtime.events.publish("end", "/test/end", { typeUrl: "", value: new Uint8Array() });
  await reading;
  stop.abort();
  return seen;
}

const kindOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => ({ kind: "ok" }),
    (thrown: { kind?: string }) => thrown,
  );
  return error.kind ?? String(error);
};

describe("services that need no namespace", () => {
  it("Version says what was built", async () => {
    assert.deepEqual(await h.client(Version).version({}), { version: "1.2.3", revision: "abc" });
  });

  it("Health serves everything, by the empty name and by each service's", async () => {
    const health = h.client(Health);
    assert.equal((await health.check({ service: "" })).status, 1);
    assert.equal((await health.check({ service: "containerd.services.tasks.v1.Tasks" })).status, 1);
    assert.equal(await kindOf(health.check({ service: "nobody" })), "not-found");
  });

  it("Introspection has the rows that buildkit looks for, with their platforms", async () => {
    const { plugins } = await h
      .client(Introspection)
      .plugins({ filters: ["type==io.containerd.runtime.v1", "type==io.containerd.runtime.v2"] });
    assert.equal(plugins.length, 1);
    assert.equal(plugins[0]?.platforms[0]?.os, "linux");
    const server = await h.client(Introspection).server({});
    assert.equal(server.uuid.length, 36);
    assert.equal(server.pid, BigInt(process.pid));
  });

  it("Introspection says what a runtime says of itself, and nothing more of other plugins", async () => {
    const introspection = h.client(Introspection);
    const request = { runtimePath: "io.containerd.runc.v2", options: { typeUrl: "o", value: bytes("x") } };
    const runtime = { type: "io.containerd.runtime.v2", id: "task" };
    const { plugin, extra } = await introspection.pluginInfo({ ...runtime, options: packAny(RuntimeRequest, request) });
    assert.deepEqual([plugin?.type, extra?.typeUrl], [runtime.type, "containerd.types.RuntimeInfo"]);
    const info = RuntimeInfo.decode(extra?.value ?? bytes(""));
    assert.deepEqual([info.name, info.options?.typeUrl], ["io.containerd.runc.v2", "o"]);
    assert.equal((await introspection.pluginInfo({ type: "io.containerd.gc.v1", id: "scheduler" })).extra, null);
    assert.equal((await introspection.pluginInfo(runtime)).extra, null);
    const wrong = { ...runtime, options: { typeUrl: "x", value: bytes("") } };
    assert.equal(await kindOf(introspection.pluginInfo(wrong)), "unimplemented");
    assert.equal(await kindOf(introspection.pluginInfo({ type: "a", id: "b" })), "not-found");
  });

  it("Namespaces publishes a namespace's events in that namespace", async () => {
    const namespaces = h.client(Namespaces);
    const seen = await topicsOf(async () => {
      await namespaces.create({ namespace: { name: "made", labels: { a: "b" } } });
      await namespaces.delete({ name: "made" });
    });
    assert.deepEqual(seen, [`made ${topics.namespaceCreate}`, `made ${topics.namespaceDelete}`]);
    assert.equal(await kindOf(namespaces.create({ namespace: { name: "not/one" } })), "invalid-argument");
  });
});

describe("stores", () => {
  it("every store refuses a call without a namespace", async () => {
    const calls = {
      containers: () => h.client(Containers).list({}),
      images: () => h.client(Images).list({}),
      leases: () => h.client(Leases).list({}),
      status: () => h.client(Content).listStatuses({}),
      publish: () => h.client(Events).publish({ topic: "/a/b" }),
    };
    for (const [name, call] of Object.entries(calls)) assert.equal(await kindOf(call()), "failed-precondition", name);
  });

  it("Containers keeps specs and extensions byte for byte", async () => {
    const containers = h.client(Containers);
    const extensions = { x: { typeUrl: "unknown/type", value: bytes("kept") } };
    const container = { id: "c1", runtime: { name: "io.containerd.runc.v2" }, spec, extensions, labels: { a: "b" } };
    const seen = await topicsOf(() => containers.create({ container }, options));
    assert.deepEqual(seen, [`${namespace} ${topics.containerCreate}`]);
    const { container: got } = await containers.get({ id: "c1" }, options);
    assert.deepEqual({ ...got?.extensions.x }, { typeUrl: "unknown/type", value: bytes("kept") });
    assert.equal(await kindOf(containers.create({ container }, options)), "already-exists");
    assert.equal(await kindOf(containers.update({ container: { id: "" } }, options)), "invalid-argument");
    const update = { container: { id: "c1", labels: { a: "" } }, updateMask: { paths: ["labels.a"] } };
    assert.deepEqual({ ...(await containers.update(update, options)).container?.labels }, {});
    assert.deepEqual(await topicsOf(() => containers.delete({ id: "c1" }, options)), [
      `${namespace} ${topics.containerDelete}`,
    ]);
    assert.equal(await kindOf(containers.get({ id: "c1" }, options)), "not-found");
  });

  it("Images takes labels by mask, and answers to a target that has moved with not-found", async () => {
    const images = h.client(Images);
    const target = { mediaType: "m", digest: sha256("x"), size: 1 };
    await images.create({ image: { name: "one", target } }, options);
    assert.equal(await kindOf(images.create({ image: { name: "", target } }, options)), "invalid-argument");
    const { image } = await images.update(
      { image: { name: "one", labels: { k: "v" } }, updateMask: { paths: ["labels"] } },
      options,
    );
    assert.equal(image?.labels.k, "v");
    const elsewhere = { ...target, digest: sha256("y") };
    assert.equal(await kindOf(images.delete({ name: "one", target: elsewhere }, options)), "not-found");
    assert.deepEqual(await topicsOf(() => images.delete({ name: "one", sync: true }, options)), [
      `${namespace} ${topics.imageDelete}`,
    ]);
  });

  it("Snapshots announces all but views", async () => {
    const snapshots = h.client(Snapshots);
    const snapshotter = "native";
    const seen = await topicsOf(async () => {
      await snapshots.prepare({ snapshotter, key: "a" }, options);
      await snapshots.commit({ snapshotter, key: "a", name: "base" }, options);
      await snapshots.view({ snapshotter, key: "v", parent: "base" }, options);
      assert.equal((await snapshots.stat({ snapshotter, key: "v" }, options)).info?.kind, 1);
      assert.equal(await kindOf(snapshots.remove({ snapshotter, key: "base" }, options)), "failed-precondition");
      await snapshots.remove({ snapshotter, key: "v" }, options);
    });
    const topicNames = [topics.snapshotPrepare, topics.snapshotCommit, topics.snapshotRemove];
    assert.deepEqual(
      seen,
      topicNames.map((topic) => `${namespace} ${topic}`),
    );
    assert.equal(await kindOf(snapshots.mounts({ snapshotter: "", key: "a" }, options)), "invalid-argument");
    assert.equal(await kindOf(snapshots.mounts({ snapshotter: "none", key: "a" }, options)), "invalid-argument");
    assert.equal(await kindOf(snapshots.cleanup({ snapshotter }, options)), "unimplemented");
  });

  it("a lease without an id gets one, and holds its resources until it goes", async () => {
    const leases = h.client(Leases);
    const { lease } = await leases.create({}, options);
    assert.match(lease?.id ?? "", /./);
    const id = lease?.id ?? "";
    await leases.addResource({ id, resource: { id: sha256("q"), type: "content" } }, options);
    assert.equal((await leases.listResources({ id }, options)).resources.length, 1);
    assert.equal(
      await kindOf(leases.addResource({ id: "no", resource: { id: "x", type: "content" } }, options)),
      "not-found",
    );
    await leases.delete({ id, sync: true }, options);
  });
});

describe("Content", () => {
  const write = async (messages: object[]) => {
    const responses = [];
    const send = async function* () {
      yield* messages;
    };
    for await (const response of h.client(Content).write(send(), options)) responses.push(response);
    return responses;
  };
  const { STAT, WRITE, COMMIT } = WriteAction;

  it("a write is answered message by message and commits under its digest", async () => {
    const seen = await topicsOf(async () => {
      const [stat, half, done] = await write([
        { action: STAT, ref: "r1" },
        { action: WRITE, data: bytes("hello ") },
        { action: COMMIT, offset: 6, data: bytes("world"), total: 11, expected: sha256("hello world") },
      ]);
      assert.equal(stat?.offset, 0);
      assert.equal(half?.offset, 6);
      assert.equal(half?.digest, sha256("hello "));
      assert.equal(done?.digest, sha256("hello world"));
    });
    assert.deepEqual(seen, [`${namespace} ${topics.contentCreate}`]);
  });

  it("the first message must name an ingest", async () => {
    assert.equal(await kindOf(write([{ action: WRITE, data: bytes("x") }])), "invalid-argument");
  });

  it("an offset that is not the current one is out of range, and 0 starts over", async () => {
    const first = [{ action: WRITE, ref: "r2", data: bytes("abc") }];
    assert.equal(await kindOf(write([...first, { action: WRITE, offset: 7, data: bytes("d") }])), "out-of-range");
    const [resumed, again] = await write([
      { action: STAT, ref: "r2" },
      { action: WRITE, data: bytes("xy") },
    ]);
    assert.equal(resumed?.offset, 3);
    assert.equal(again?.offset, 2);
    assert.equal(again?.digest, sha256("xy"));
    await h.client(Content).abort({ ref: "r2" }, options);
  });

  it("a blob that is there ends the write with already-exists and gives the ingest up", async () => {
    const present = sha256("hello world");
    assert.equal(await kindOf(write([{ action: STAT, ref: "r3", expected: present }])), "already-exists");
    const late = [
      { action: WRITE, ref: "r4", data: bytes("h") },
      { action: STAT, expected: present },
    ];
    assert.equal(await kindOf(write(late)), "already-exists");
    assert.equal(await kindOf(h.client(Content).status({ ref: "r4" }, options)), "not-found");
  });

  it("sizes and digests that differ are failed preconditions", async () => {
    const commit = (more: object) => write([{ action: COMMIT, ref: "r5", data: bytes("abc"), ...more }]);
    assert.equal(await kindOf(commit({ total: 99 })), "failed-precondition");
    assert.equal(await kindOf(commit({ expected: sha256("zzz") })), "failed-precondition");
  });

  it("reads ranges whose offsets count from the range's start, in chunks of 1 MiB", async () => {
    const blob = new Uint8Array((1 << 20) + 10).fill(7);
    await write([{ action: COMMIT, ref: "big", data: blob, expected: sha256(blob) }]);
    const read = async (range: object) => {
      const chunks: [number, number][] = [];
      for await (const { offset, data } of h.client(Content).read({ digest: sha256(blob), ...range }, options))
        chunks.push([offset, data.length]);
      return chunks;
    };
    assert.deepEqual(await read({}), [
      [0, 1 << 20],
      [1 << 20, 10],
    ]);
    assert.deepEqual(await read({ offset: 1 << 20 }), [[0, 10]]);
    assert.deepEqual(await read({ offset: -5, size: 3 }), [[0, 3]]);
    assert.deepEqual(await read({ offset: 5, size: 1 << 30 }), [
      [0, 1 << 20],
      [1 << 20, 5],
    ]);
    assert.equal(await kindOf(read({ offset: blob.length + 1 })), "out-of-range");
  });

  it("a digest that is none is refused", async () => {
    assert.equal(await kindOf(h.client(Content).info({ digest: "sha256:no" }, options)), "invalid-argument");
  });
});

describe("Tasks", () => {
  const containers = () => h.client(Containers);
  const tasks = () => h.client(Tasks);
  const make = async (id: string) => {
    await containers().create({ container: { id, runtime: { name: "io.containerd.runc.v2" }, spec } }, options);
    await tasks().create({ containerId: id, stdout: "/fifo" }, options);
  };

  it("a task lives from create to delete, and ids stand where containerd puts them", async () => {
    await make("t1");
    assert.equal(await kindOf(tasks().create({ containerId: "t1" }, options)), "already-exists");
    const { pid } = await tasks().start({ containerId: "t1" }, options);
    const { process: got } = await tasks().get({ containerId: "t1" }, options);
    assert.deepEqual(
      { containerId: got?.containerId, id: got?.id, pid: got?.pid, status: got?.status, stdout: got?.stdout },
      { containerId: "", id: "t1", pid, status: 2, stdout: "/fifo" },
    );
    assert.equal(got?.exitedAt, null);
    assert.equal((await tasks().list({}, options)).tasks.length, 1);
    assert.equal(await kindOf(tasks().delete({ containerId: "t1" }, options)), "unknown");
    const waiting = tasks().wait({ containerId: "t1" }, options);
    h.runtime.task(namespace, "t1").end(7);
    assert.equal((await waiting).exitStatus, 7);
    assert.equal(await kindOf(tasks().kill({ containerId: "t1", signal: 15 }, options)), "not-found");
    assert.equal((await tasks().delete({ containerId: "t1" }, options)).exitStatus, 7);
    assert.equal(await kindOf(tasks().get({ containerId: "t1" }, options)), "not-found");
  });

  it("an unknown container is not found by any method", async () => {
    const id = { containerId: "nobody" };
    const client = tasks();
    const calls = [
      client.create(id, options),
      client.start(id, options),
      client.delete(id, options),
      client.kill(id, options),
      client.pause(id, options),
      client.wait(id, options),
      client.listPids(id, options),
      client.update(id, options),
    ];
    for (const call of calls) assert.equal(await kindOf(call), "not-found");
  });

  it("an exec needs an id", async () => {
    await make("t2");
    assert.equal(await kindOf(tasks().exec({ containerId: "t2" }, options)), "invalid-argument");
    assert.equal(await kindOf(tasks().exec({ containerId: "t2", execId: "../x" }, options)), "invalid-argument");
    await tasks().exec({ containerId: "t2", execId: "e", spec }, options);
  });

  it("metrics are filtered by id", async () => {
    await make("t3");
    const { metrics } = await tasks().metrics({ filters: ["id==t3"] }, options);
    assert.deepEqual(
      metrics.map((metric) => metric.id),
      ["t3"],
    );
  });

  it("calls wait until the container's shim has been tried", async () => {
    await make("t4");
    const reconnected = Promise.withResolvers<void>();
    h.runtime.reconnected = reconnected.promise;
    let answered = false;
    const get = tasks()
      .get({ containerId: "t4" }, options)
      .then(() => {
        answered = true;
      });
    await h.client(Version).version({});
    assert.equal(answered, false);
    reconnected.resolve();
    await get;
  });
});

describe("Tasks after a restart", () => {
  it("are listed as unknown until it is known whether they are there, and are not taken for none", async () => {
    await using own = await startHarness();
    const spec = {
      typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec",
      value: new TextEncoder().encode("{}"),
    };
    const runtime = { name: "io.containerd.runc.v2" };
    for (const id of ["away", "never"])
      await own.client(Containers).create({ container: { id, runtime, spec } }, options);
    own.runtime.undecided.push({ namespace, id: "away" });
    const listed = await own.client(Tasks).list({}, options);
    assert.deepEqual(
      listed.tasks.map(({ id, status }) => [id, status]),
      [["away", Status.UNKNOWN]],
    );
    const containers: ContainerSummary[] = [];
    for await (const part of own.client(Engine).listContainers({}, options)) containers.push(...part.containers);
    assert.deepEqual(Object.fromEntries(containers.map(({ id, status }) => [id, status])), {
      away: "unknown",
      never: "none",
    });
    const { json } = await own.client(Engine).inspectContainer({ id: "away" }, options);
    assert.equal(JSON.parse(new TextDecoder().decode(json)).task.status, "unknown");
  });
});

describe("Events", () => {
  it("a subscriber gets what any namespace publishes and its filters want, in order", async () => {
    const stop = new AbortController();
    const events = h.client(Events).subscribe({ filters: ["topic~=|^/mine/|"] }, { signal: stop.signal });
    const reading = events[Symbol.asyncIterator]();
    const first = reading.next();
    const event = { typeUrl: "containerd.events.TaskOOM", value: new Uint8Array([1, 2]) };
    // The subscription is asked for; it is there once a published event arrives.
    await h.client(Version).version({});
    await h.client(Events).publish({ topic: "/other/one", event }, options);
    await h.client(Events).publish({ topic: "/mine/one", event }, { namespace: "ns2" });
    const { value } = await first;
    assert.deepEqual([value?.namespace, value?.topic, value?.event?.typeUrl], ["ns2", "/mine/one", event.typeUrl]);
    stop.abort();
  });

  it("malformed topics and envelopes are refused", async () => {
    const client = h.client(Events);
    for (const topic of ["", "no-slash", "/a//b", "/"])
      assert.equal(await kindOf(client.publish({ topic }, options)), "invalid-argument", topic);
    assert.equal(await kindOf(client.forward({ envelope: { namespace, topic: "/a/b" } })), "invalid-argument");
  });
});
