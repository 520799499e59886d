// One shim, driven by hand as a daemon would: `start`, ttrpc, `delete`; and a daemon's end for its events.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { connect, createServer as createSocketServer, type Socket } from "node:net";
import { join, resolve } from "node:path";
import { kindOf, silent } from "@berth/base";
import { eventTypes, isType, packAny, typeUrls } from "@berth/proto";
import { Options } from "@berth/proto/containerd/runc/v1";
import { Events } from "@berth/proto/containerd/services/events/ttrpc/v1";
import { type CreateTaskRequest, DeleteResponse, Task } from "@berth/proto/containerd/task/v2";
import { Any, Empty } from "@berth/proto/google/protobuf";
import { type Client, register } from "@berth/rpc";
import { nodeByteStream } from "@berth/transport";
import { createClient, createServer } from "@berth/ttrpc";
import { makeBundle, makeRootfs, ociProcess, ociSpec, type SpecOptions } from "../support/bundle.ts";
import { mountsBelow, processesNaming } from "../support/leftovers.ts";
import { until } from "../support/until.ts";

export { until } from "../support/until.ts";

import { descendantsOf, killNow, killThose } from "../support/processes.ts";

/** The program under test; another shim v2 may be named to compare. */
export const shimBinary = process.env.SHIM ?? resolve(import.meta.dirname, "../../dist/bin/containerd-shim-berth-v2");

export interface SeenEvent {
  readonly topic: string;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface Shim {
  readonly task: Client<typeof Task>;
  readonly id: string;
  readonly bundle: string;
  readonly address: string;
  readonly pid: number;
  create(request?: Partial<CreateTaskRequest>): Promise<number>;
  /** Registers and starts an exec. */
  exec(
    execId: string,
    args: readonly string[],
    stdio?: { stdout?: string; terminal?: boolean; stdin?: string },
  ): Promise<number>;
  /** Runs `delete` of the program. */
  deleteCommand(): DeleteResponse;
  disconnect(): void;
}

export interface Daemon extends AsyncDisposable {
  readonly top: string;
  readonly namespace: string;
  readonly events: readonly SeenEvent[];
  /** Topics and ids of a container's events, in the order of arrival. */
  story(id: string): string[];
  event(topic: string, match?: (event: Readonly<Record<string, unknown>>) => boolean): Promise<SeenEvent>;
  /** Starts the shim of a new container. */
  start(
    id: string,
    spec: SpecOptions,
    options?: { stdin?: Uint8Array; binary?: string; runtime?: string },
  ): Promise<Shim>;
  connect(id: string, bundle: string, address: string, binary?: string): Promise<Shim>;
  /** Stops to listen for events. */
  leave(): Promise<void>;
  comeBack(): Promise<void>;
  fifo(name: string): string;
  rootfsMount(): { type: string; source: string; target: string; options: string[] };
}

/** containerd's shim may close before its answer to a shutdown is sent; containerd takes that for the answer. */
const endingSilently =
  (shutdown: Client<typeof Task>["shutdown"]): Client<typeof Task>["shutdown"] =>
  (request, options) =>
    shutdown(request, options).catch((error: unknown) => {
      if (kindOf(error) !== "unavailable") throw error;
      return Empty.create();
    });

let daemons = 0;

export async function openDaemon(): Promise<Daemon> {
  const top = mkdtempSync("/tmp/berth-shim-");
  const namespace = `shim-${process.pid}-${++daemons}`;
  const address = join(top, "c.sock");
  const rootfs = makeRootfs(join(top, "rootfs"));
  const events: SeenEvent[] = [];
  const shims: { socket: Socket; pid: number }[] = [];
  let wake = Promise.withResolvers<void>();
  let close: (() => Promise<void>) | null = null;

  const listen = async () => {
    const impl = register(Events, {
      forward({ envelope }) {
        assert.ok(envelope?.event && envelope.timestamp, "an envelope is whole");
        const { event } = envelope;
        const type = eventTypes.find((candidate) => isType(event, candidate));
        assert.ok(type, `an event of a known type: ${event.typeUrl}`);
        events.push({ topic: envelope.topic, event: type.decode(event.value) as never });
        wake.resolve();
        wake = Promise.withResolvers();
        return {};
      },
    });
    const server = createServer({ registrations: [impl], log: silent });
    const sockets = new Set<Socket>();
    const listener = createSocketServer((socket) => {
      sockets.add(socket);
      server.accept(nodeByteStream(socket));
    });
    await new Promise<void>((done) => listener.listen(`${address}.ttrpc`, done));
    close = async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => listener.close(done));
      close = null;
    };
  };
  await listen();

  const env = { ...process.env, TTRPC_ADDRESS: `${address}.ttrpc`, BERTH_SHIM_SOCKET_DIR: join(top, "s") };
  const flags = (id: string) => [
    "-namespace",
    namespace,
    "-address",
    address,
    "-publish-binary",
    "/bin/false",
    "-id",
    id,
  ];

  const connectTo = async (
    id: string,
    bundle: string,
    at: string,
    binary = shimBinary,
    runtime = "",
  ): Promise<Shim> => {
    const socket = connect(at.replace("unix://", ""));
    await new Promise<void>((done, fail) => socket.once("connect", done).once("error", fail));
    const client = createClient(nodeByteStream(socket)).service(Task);
    const task = binary === shimBinary ? client : { ...client, shutdown: endingSilently(client.shutdown) };
    const { shimPid } = await task.connect({ id });
    shims.push({ socket, pid: shimPid });
    return {
      task,
      id,
      bundle,
      address: at,
      pid: shimPid,
      async create(request = {}) {
        const options = packAny(Options, { root: join(top, "runc"), binaryName: runtime });
        const made = await task.create({ id, bundle, rootfs: [daemon.rootfsMount()], options, ...request });
        return made.pid;
      },
      async exec(execId, args, stdio = {}) {
        const spec = {
          typeUrl: typeUrls.process,
          value: new TextEncoder().encode(JSON.stringify(ociProcess(args, stdio.terminal))),
        };
        await task.exec({ id, execId, spec, ...stdio });
        return (await task.start({ id, execId })).pid;
      },
      deleteCommand() {
        const result = spawnSync(binary, [...flags(id), "-bundle", bundle, "delete"], { cwd: bundle, env });
        assert.equal(result.status, 0, result.stderr.toString());
        return DeleteResponse.decode(result.stdout);
      },
      disconnect: () => socket.destroy(),
    };
  };

  const daemon: Daemon = {
    top,
    namespace,
    events,
    story: (id) =>
      events
        .filter(({ event }) => event.containerId === id)
        .map(({ topic, event }) => {
          const exec = topic === "/tasks/exit" && event.id !== id ? event.id : (event.execId ?? "");
          return `${topic.slice("/tasks/".length)}${exec === "" ? "" : ` ${exec}`}`;
        }),
    async event(topic, match = () => true) {
      for (;;) {
        const found = events.find((each) => each.topic === topic && match(each.event));
        if (found) return found;
        await wake.promise;
      }
    },
    async start(id, spec, { stdin, binary = shimBinary, runtime = "" } = {}) {
      const bundle = makeBundle(
        join(top, "t", namespace, id),
        ociSpec({ cgroupsPath: `/${namespace}/${id}`, ...spec }),
      );
      const input = stdin ?? Any.encode(packAny(Options, { root: join(top, "runc"), binaryName: runtime }));
      const result = spawnSync(binary, [...flags(id), "start"], { cwd: bundle, env, input });
      assert.equal(result.status, 0, result.stderr.toString() + result.stdout.toString());
      assert.equal(result.stderr.toString(), "");
      return connectTo(id, bundle, result.stdout.toString(), binary, runtime);
    },
    connect: connectTo,
    leave: async () => close?.(),
    async comeBack() {
      await listen();
    },
    fifo(name) {
      const path = join(top, name);
      assert.equal(spawnSync("mkfifo", [path]).status, 0);
      return path;
    },
    rootfsMount: () => ({ type: "bind", source: rootfs, target: "", options: ["rbind", "ro"] }),
    async [Symbol.asyncDispose]() {
      // What keeps this process alive goes first: a test that has failed must not hang as well.
      for (const { path, close } of readers) if (path.startsWith(`${top}/`)) close();
      await close?.();
      for (const { socket, pid } of shims) {
        socket.destroy();
        // A container that the runtime is still making has no state yet that `delete` could find.
        const below = descendantsOf(pid);
        killNow(pid);
        killThose(below);
      }
      // Also of containers that a test has made in another's shim, and that it may have left half made.
      const bundles = join(top, "t", namespace);
      for (const id of existsSync(bundles) ? readdirSync(bundles) : []) {
        const bundle = join(bundles, id);
        spawnSync(shimBinary, [...flags(id), "-bundle", bundle, "delete"], { cwd: bundle, env });
      }
      const mounts = mountsBelow(top);
      // Also where the test fails for it: no file that is bound in there goes.
      for (const point of mounts.toReversed()) spawnSync("umount", ["-l", point]);
      await until(() => processesNaming(namespace).length === 0);
      for (const controller of readdirSync("/sys/fs/cgroup")) {
        const path = `/sys/fs/cgroup/${controller}/${namespace}`;
        if (existsSync(path)) rmdirSync(path);
      }
      rmSync(top, { recursive: true, force: true });
      assert.deepEqual(mounts, [], "no mount is left");
    },
  };
  mkdirSync(join(top, "s"), { mode: 0o700 });
  return daemon;
}

/** A zombie is not alive: its parent may be slow to look. */
export function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Open now; a daemon's are closed with it. */
const readers = new Set<{ readonly path: string; close(): void }>();

/** Reads a FIFO (or follows a file) into a string that grows. */
export function reader(path: string): { text: () => string; close(): void; ended: () => boolean } {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  let text = "";
  let ended = false;
  const socket = new (process.getBuiltinModule("node:net").Socket)({ fd, readable: true, writable: false });
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.on("end", () => {
    ended = true;
  });
  const entry = { path, close: () => socket.destroy() };
  readers.add(entry);
  socket.once("close", () => readers.delete(entry));
  return { text: () => text, close: entry.close, ended: () => ended };
}

export const textOf = (path: string): string => readFileSync(path, "utf8");
