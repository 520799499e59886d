// A shim that behaves: its `start` and `delete` commands are a shell script, its server runs in the test, one
// socket a container, and each of its methods can be made to hang, to fail or to be missing.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer as createSocketServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Log, notFound, silent, systemClock, unknownError } from "@berth/base";
import { startHelper } from "@berth/helper";
import { TaskV3, toTimestamp } from "@berth/proto";
import { type CreateTaskRequest, DeleteResponse, Task } from "@berth/proto/containerd/task/v2";
import { register, type ServiceImpl } from "@berth/rpc";
import { nodeByteStream } from "@berth/transport";
import { createServer } from "@berth/ttrpc";
import { type LastExit, openRuntime, type Runtime, type Timeouts } from "../src/index.ts";

type Method = keyof typeof Task.methods;

export interface FakeContainer {
  status: "none" | "created" | "running" | "paused" | "stopped" | "deleted";
  pid: number;
  exitStatus: number;
  exitedAt: bigint;
  request: CreateTaskRequest | null;
  /** Of execs, by id. */
  readonly execs: Map<string, keyof typeof shortIds>;
  /** What a new exec is at once. */
  execsAre: "created" | "running";
  readonly hangs: Set<Method>;
  readonly fails: Map<Method, Error>;
  /** Names of the methods that were called. */
  readonly calls: string[];
  /** Init ends. */
  exit(status: number): void;
  /** The shim is gone: no connection, no socket. */
  die(): void;
  /** The shim drops its connections and goes on listening. */
  drop(): void;
  readonly connections: number;
}

export interface FakeHost extends AsyncDisposable {
  readonly directory: string;
  readonly shim: string;
  readonly state: string;
  /** Of containers without a task. */
  readonly exits: ReadonlyMap<string, LastExit>;
  /** Opens (again) the runtime on the same directories. */
  open(options?: { bootId?: string; timeouts?: Partial<Timeouts> }): Promise<Runtime>;
  /** A container record, and a shim that listens for it. */
  container(id: string, options?: { versions?: readonly (2 | 3)[] }): Promise<FakeContainer>;
  /** Shell code for `start`, instead of printing the address. */
  onStart(id: string, script: string): void;
  /** What `delete` answers; it fails where nothing was set. */
  onDelete(id: string, reply: { pid: number; exitStatus: number; exitedAt: bigint }): void;
  /** Actions for which the binary was called. */
  commands(id: string): string[];
}

const SCRIPT = `#!/bin/sh
while [ $# -gt 1 ]; do case "$1" in -id) id=$2 ;; esac; shift; done
echo "$1" >> "$FAKE_DIR/$id.commands"
case "$1" in
start) if [ -f "$FAKE_DIR/$id.start" ]; then . "$FAKE_DIR/$id.start"; else printf 'unix://%s/%s.sock' "$FAKE_DIR" "$id"; fi ;;
delete) if [ -f "$FAKE_DIR/$id.reply" ]; then cat "$FAKE_DIR/$id.reply"; else echo "nothing to delete" >&2; exit 1; fi ;;
esac
`;

/** Appends what descriptor 3 gives to a file. */
const READER = `
const { createWriteStream } = require("node:fs");
const { Socket } = require("node:net");
new Socket({ fd: 3, readable: true, writable: false }).pipe(createWriteStream(process.argv[1], { flags: "a" }));
`;

/** Far more than anything takes that does not hang, also on a busy machine. */
const quick: Partial<Timeouts> = {
  state: 1_000,
  call: 1_000,
  create: 2_000,
  kill: 500,
  delete: 1_000,
  shutdown: 1_000,
  load: 1_000,
  leftExec: 50,
  exitGrace: 20,
};
const shortIds = { created: 1, running: 2, stopped: 3, paused: 4 } as const;

export async function openFakeHost(log: Log = silent): Promise<FakeHost> {
  const directory = mkdtempSync(join(tmpdir(), "berth-fake-"));
  const shim = join(directory, "containerd-shim-fake-v1");
  writeFileSync(shim, SCRIPT);
  chmodSync(shim, 0o755);
  const state = join(directory, "state");
  const known = new Set<string>();
  const exits = new Map<string, LastExit>();
  const listeners: { server: Server; close(): void }[] = [];
  const runtimes: Runtime[] = [];

  return {
    directory,
    shim,
    state,
    exits,
    async open({ bootId, timeouts } = {}) {
      const runtime = await openRuntime({
        helper: startHelper(null, {}, silent),
        root: join(directory, "root"),
        state,
        grpcAddress: join(directory, "b.sock"),
        ttrpcAddress: join(directory, "b.sock.ttrpc"),
        containers: {
          get(_scope, id) {
            if (!known.has(id)) throw notFound("container", id);
            return { runtime: { name: "io.containerd.fake.v1", options: null }, spec: null };
          },
        },
        exits: {
          get: (_scope, id) => exits.get(id) ?? null,
          keep: (_scope, id, exit) => void exits.set(id, exit),
          forget: (_scope, id) => void exits.delete(id),
        },
        putAside(path, area, name) {
          const aside = join(directory, "aside", area, name);
          mkdirSync(dirname(aside), { recursive: true });
          renameSync(path, aside);
          return aside;
        },
        clientFifos: join(directory, "fifo"),
        drainCommand: (_namespace, _id, execId) => ({
          file: process.execPath,
          args: ["-e", READER, join(directory, `drained${execId}`)],
        }),
        log,
        clock: systemClock,
        timeouts: { ...quick, ...timeouts },
        resolveShim: () => shim,
        publishBinary: "/bin/false",
        daemonVersion: "0",
        environment: { PATH: process.env.PATH, FAKE_DIR: directory },
        ...(bootId !== undefined && { bootId }),
      });
      runtimes.push(runtime);
      return runtime;
    },
    async container(id, { versions = [2] } = {}) {
      known.add(id);
      const { container, impl } = fakeContainer();
      const path = join(directory, `${id}.sock`);
      const sockets = new Set<Socket>();
      const server = createServer({
        log: silent,
        registrations: versions.map((version) => register(version === 3 ? TaskV3 : Task, impl)),
      });
      const listener = createSocketServer((socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
        server.accept(nodeByteStream(socket));
      });
      await new Promise<void>((resolve) => listener.listen(path, resolve));
      const drop = () => {
        for (const socket of sockets) socket.destroy();
      };
      const die = () => {
        listener.close();
        if (existsSync(path)) unlinkSync(path);
        drop();
      };
      container.onShutdown = die;
      listeners.push({ server: listener, close: die });
      return Object.defineProperties(container, {
        die: { value: die },
        drop: { value: drop },
        connections: { get: () => sockets.size },
      });
    },
    onStart: (id, script) => writeFileSync(join(directory, `${id}.start`), script),
    onDelete: (id, { pid, exitStatus, exitedAt }) =>
      writeFileSync(
        join(directory, `${id}.reply`),
        DeleteResponse.encode({ pid, exitStatus, exitedAt: toTimestamp(exitedAt) }),
      ),
    commands(id) {
      const path = join(directory, `${id}.commands`);
      return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
    },
    async [Symbol.asyncDispose]() {
      for (const runtime of runtimes) await runtime.close();
      for (const listener of listeners) listener.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

let pids = 5_000_000;

function fakeContainer() {
  const waiting: (() => void)[] = [];
  // Above every real pid (pid_max is at most 2^22), so that nobody is ever signalled.
  const container = {
    status: "none" as FakeContainer["status"],
    pid: ++pids,
    exitStatus: 0,
    exitedAt: 0n,
    request: null as CreateTaskRequest | null,
    execs: new Map<string, keyof typeof shortIds>(),
    execsAre: "created" as FakeContainer["execsAre"],
    hangs: new Set<Method>(),
    fails: new Map<Method, Error>(),
    calls: [] as string[],
    onShutdown: () => {},
    exit(status: number) {
      Object.assign(container, { status: "stopped", exitStatus: status, exitedAt: systemClock.now() });
      for (const wake of waiting.splice(0)) wake();
    },
    die() {},
    drop() {},
    connections: 0,
  };
  const method =
    <T>(name: Method, run: (request: { execId: string }) => T | Promise<T>) =>
    async (request: object) => {
      container.calls.push(name);
      if (container.hangs.has(name)) await new Promise(() => {});
      const failure = container.fails.get(name);
      if (failure !== undefined) throw failure;
      return await run({ execId: "", ...request });
    };
  const exitFields = () => ({
    pid: container.pid,
    exitStatus: container.exitStatus,
    exitedAt: toTimestamp(container.exitedAt),
  });
  const nothing = () => ({});
  const exec = (id: string) => {
    const status = container.execs.get(id);
    if (status === undefined) throw notFound("exec", id);
    return status;
  };
  const present = () => {
    if (container.status === "none" || container.status === "deleted") throw notFound("container", "it");
  };
  const impl: ServiceImpl<typeof Task> = {
    state: method("state", ({ execId }) => {
      present();
      if (execId !== "") return { execId, status: shortIds[exec(execId)] };
      return { status: shortIds[container.status as keyof typeof shortIds], ...exitFields() };
    }),
    async create(request) {
      container.request = request;
      return await method("create", () => {
        container.status = "created";
        return { pid: container.pid };
      })(request);
    },
    start: method("start", ({ execId }) => {
      if (execId !== "") {
        container.execs.set(execId, "running");
        return { pid: container.pid };
      }
      container.status = "running";
      return { pid: container.pid };
    }),
    delete: method("delete", ({ execId }) => {
      present();
      if (execId !== "") {
        if (exec(execId) === "running") throw unknownError("cannot delete a running process");
        container.execs.delete(execId);
        return exitFields();
      }
      if (container.status === "running") throw unknownError("cannot delete a running process");
      container.status = "deleted";
      return exitFields();
    }),
    pids: method("pids", () => ({ processes: [{ pid: container.pid, info: null }] })),
    pause: method("pause", nothing),
    resume: method("resume", nothing),
    checkpoint: method("checkpoint", nothing),
    kill: method("kill", nothing),
    exec: method("exec", ({ execId }) => {
      container.execs.set(execId, container.execsAre);
      return {};
    }),
    resizePty: method("resizePty", nothing),
    closeIO: method("closeIO", nothing),
    update: method("update", nothing),
    wait: method("wait", async () => {
      if (container.status !== "stopped") await new Promise<void>((resolve) => waiting.push(resolve));
      return exitFields();
    }),
    stats: method("stats", () => ({ stats: null })),
    connect: method("connect", () => ({ shimPid: 0, taskPid: container.pid, version: "2" })),
    shutdown: method("shutdown", () => {
      setImmediate(() => container.onShutdown());
      return {};
    }),
  };
  return { container, impl };
}
