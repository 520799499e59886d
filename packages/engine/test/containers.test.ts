import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Descriptor, isNotFound, kindOf, silent } from "@berth/base";
import type { Differ } from "@berth/images";
import { createContainer } from "../src/containers/create-container.ts";
import {
  checkpointTask,
  createExec,
  createTask,
  listContainers,
  listTasks,
  makeTask,
  type NewContainer,
  removeContainer,
  removeWhenEnded,
  runContainer,
  startTask,
  stopContainer,
  taskMetrics,
  taskState,
  waitContainer,
} from "../src/index.ts";
import { callerOf, namespace, openEngine, sha256, tinyImage } from "./harness.ts";

const wanted = (id: string, more: Partial<NewContainer> = {}): NewContainer => ({
  id,
  image: tinyImage,
  args: [],
  entrypoint: [],
  env: [],
  cwd: "",
  user: "",
  hostname: "",
  terminal: false,
  mounts: [],
  memoryLimit: 0,
  cpus: 0,
  pidsLimit: 0,
  privileged: false,
  readOnly: false,
  capAdd: [],
  capDrop: [],
  securityOpt: [],
  annotations: {},
  network: "",
  ulimits: [],
  labels: {},
  logOptions: {},
  runtime: "",
  runtimeOptions: null,
  snapshotter: "",
  autoRemove: false,
  startFollows: false,
  ...more,
});
const stdio = { stdin: "", stdout: "", stderr: "" };
const caller = callerOf();

describe("the engine, without a wire", () => {
  it("takes a container from its image to its removal", async () => {
    await using h = await openEngine();
    const { engine, runtime, store } = h;
    const { id } = await createContainer(engine, wanted("web"), caller);
    assert.equal(id, "web");
    assert.deepEqual(
      (await listContainers(engine, [], caller)).map(({ record, state }) => [record.id, state]),
      [["web", null]],
    );
    const task = await createTask(engine, { id, ...stdio, terminal: false, log: true, startFollows: false }, caller);
    assert.equal(await startTask(engine, id, "", caller), task.pid);
    assert.equal((await taskState(engine, id, "", caller)).status, "running");
    const execId = await createExec(
      engine,
      { id, execId: "", ...stdio, args: ["top"], env: [], cwd: "", user: "", terminal: false, privileged: false },
      caller,
    );
    await startTask(engine, id, execId, caller);
    assert.equal(JSON.parse(runtime.task(namespace, id).execs[0] ?? "").args[0], "top");
    await assert.rejects(
      removeContainer(engine, { id, force: false }, caller),
      (error) => kindOf(error) === "failed-precondition",
    );
    const waiting = waitContainer(engine, id, caller);
    await stopContainer(engine, { id, signal: "", graceMs: 50 }, caller);
    assert.equal((await waiting).status, 137);
    await removeContainer(engine, { id, force: false }, caller);
    assert.deepEqual(await listContainers(engine, [], caller), []);
    assert.deepEqual(store.snapshotter("native").list(caller, ["name==web"]), []);
  });

  it("runs a container in one call, and tells each stage", async () => {
    await using h = await openEngine();
    const { engine, runtime, store } = h;
    const run = { container: wanted("once"), ...stdio, log: true, width: 0, height: 0, detach: false };
    const stages: string[] = [];
    for await (const stage of runContainer(engine, run, caller)) {
      stages.push(stage.at);
      if (stage.at === "created") assert.equal(store.unfinished.get(caller, "once"), "run");
      if (stage.at === "started") {
        assert.equal(store.unfinished.get(caller, "once"), null);
        assert.equal((await taskState(engine, "once", "", caller)).pid, stage.pid);
        runtime.task(namespace, "once").end(7);
      }
      if (stage.at === "exited") {
        assert.equal(stage.exit.status, 7);
      }
    }
    assert.deepEqual(stages, ["created", "started", "exited"]);
    assert.notEqual(store.containers.find(caller, "once"), null);
    const detached = { ...run, container: wanted("stays"), detach: true };
    for await (const { at } of runContainer(engine, detached, caller)) stages.push(at);
    assert.deepEqual(stages.slice(3), ["created", "started"]);
    assert.equal((await taskState(engine, "stays", "", caller)).status, "running");
  });

  it("leaves a run that cannot be started, or whose caller has gone, to its caller", async () => {
    await using h = await openEngine();
    const { engine, runtime, store } = h;
    const run = (id: string) =>
      ({ container: wanted(id), ...stdio, log: true, width: 0, height: 0, detach: false }) as const;
    const create = runtime.tasks.create;
    Object.assign(runtime.tasks, { create: () => Promise.reject(new Error("no room for it")) });
    await assert.rejects(async () => {
      for await (const { at } of runContainer(engine, run("made"), caller)) assert.equal(at, "created");
    }, /no room for it/);
    assert.notEqual(store.containers.find(caller, "made"), null);
    assert.equal(store.unfinished.get(caller, "made"), null);
    Object.assign(runtime.tasks, { create });
    const gone = new AbortController();
    const leaving = (async () => {
      for await (const { at } of runContainer(engine, run("left"), callerOf(gone.signal)))
        if (at === "started") gone.abort();
    })();
    await assert.rejects(leaving);
    assert.equal((await taskState(engine, "left", "", caller)).status, "running");
  });

  it("removes by itself what is to go when it has ended", async () => {
    await using h = await openEngine();
    const { engine, runtime, store } = h;
    await using _removal = removeWhenEnded(engine, silent);
    await createContainer(engine, wanted("brief", { autoRemove: true }), caller);
    await createTask(engine, { id: "brief", ...stdio, terminal: false, log: true, startFollows: false }, caller);
    await startTask(engine, "brief", "", caller);
    const gone = Promise.withResolvers<void>();
    using _watching = store.onChange((change) => {
      if (change.kind === "container-deleted") gone.resolve();
    });
    runtime.task(namespace, "brief").end(0);
    await gone.promise;
    assert.equal(store.containers.find(caller, "brief"), null);
  });

  it("names the container, not its task, where that is what is missing", async () => {
    await using h = await openEngine();
    for (const call of [
      () => taskState(h.engine, "none", "", caller),
      () => startTask(h.engine, "none", "", caller),
      () => checkpointTask(h.engine, { id: "none", path: "", options: null }, caller),
      () => makeTask(h.engine, bare("none"), caller),
    ])
      await assert.rejects(call(), (error: Error) => isNotFound(error) && /container "none"/.test(error.message));
  });

  it("lists what is not known yet as unknown, and measures the others", async () => {
    await using h = await openEngine();
    for (const id of ["a", "b"]) {
      await createContainer(h.engine, wanted(id), caller);
      await makeTask(h.engine, bare(id), caller);
    }
    h.runtime.undecided.push({ namespace, id: "away" });
    assert.deepEqual(
      (await listTasks(h.engine, caller)).map(({ id, status }) => [id, status]),
      [
        ["a", "created"],
        ["b", "created"],
        ["away", "unknown"],
      ],
    );
    const metrics = await taskMetrics(h.engine, ["id==b"], caller);
    assert.deepEqual(
      metrics.map(({ id, at }) => [id, at > 0n]),
      [["b", true]],
    );
    await assert.rejects(taskMetrics(h.engine, ["id=="], caller), (error) => kindOf(error) === "invalid-argument");
  });

  it("stores a checkpoint as content, and restores from it", async () => {
    const applied: string[] = [];
    const differ: Differ = {
      async apply(_scope, layer, mounts) {
        applied.push(`${layer.digest} to ${mounts[0]?.source}`);
        return layer;
      },
      async diff(_scope, lower, upper, { mediaType, ref }) {
        assert.deepEqual(readFileSync(join(upper[0]?.source ?? "", "pages")).toString(), "memory");
        assert.equal(lower.length, 1);
        return { mediaType, digest: sha256(ref), size: 6, annotations: {} };
      },
    };
    await using h = await openEngine(differ);
    await createContainer(h.engine, wanted("c"), caller);
    await makeTask(h.engine, bare("c"), caller);
    const scratch = mkdtempSync(join(h.root, "scratch-"));
    let isOver = false;
    Object.assign(h.runtime.task(namespace, "c"), {
      scratch: async () => ({
        path: scratch,
        async [Symbol.asyncDispose]() {
          isOver = true;
        },
      }),
      checkpoint: async (path: string) => writeFileSync(join(path, "pages"), "memory"),
    });
    const kept = await checkpointTask(h.engine, { id: "c", path: "", options: null }, caller);
    assert.equal(isOver, true);
    const [image, spec] = kept as [Descriptor, Descriptor];
    assert.equal(image.mediaType, "application/vnd.containerd.container.criu.checkpoint.criu.tar");
    const stored = JSON.parse(readFileSync(await h.store.content.path(caller, spec.digest), "utf8"));
    assert.deepEqual(stored.process.args, ["/entry", "default"]);
    // With a path of the caller's own, nothing is stored.
    const own = join(h.root, "own");
    mkdirSync(own);
    assert.deepEqual(await checkpointTask(h.engine, { id: "c", path: own, options: null }, caller), []);
    assert.equal(readFileSync(join(own, "pages"), "utf8"), "memory");

    await createContainer(h.engine, wanted("restored"), caller);
    await makeTask(h.engine, { ...bare("restored"), checkpoint: image }, caller);
    const { checkpoint } = h.runtime.task(namespace, "restored").created;
    assert.ok(typeof checkpoint === "function");
    await checkpoint("/somewhere");
    assert.deepEqual(applied, [`${image.digest} to /somewhere`]);
    const layer = { ...image, mediaType: "application/vnd.oci.image.layer.v1.tar" };
    await createContainer(h.engine, wanted("odd"), caller);
    await makeTask(h.engine, { ...bare("odd"), checkpoint: layer }, caller);
    const odd = h.runtime.task(namespace, "odd").created.checkpoint;
    assert.ok(typeof odd === "function");
    await assert.rejects(odd("/somewhere"), /checkpoint has media type .*layer/);
  });
});

const bare = (id: string) => ({
  id,
  ...stdio,
  rootfs: [],
  terminal: false,
  client: null,
  checkpoint: null,
  options: null,
  runtimePath: "",
});
