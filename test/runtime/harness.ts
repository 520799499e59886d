// One runtime on directories of its own, with a ttrpc server for the events of its shims, and containers
// made of nothing but busybox.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createServer as createSocketServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Log, notFound, silent, systemClock } from "@berth/base";
import { startHelper } from "@berth/helper";
import { toNanoseconds, topics, typeUrls, unpackAny } from "@berth/proto";
import { TaskExit } from "@berth/proto/containerd/events";
import { Events } from "@berth/proto/containerd/services/events/ttrpc/v1";
import type { Any } from "@berth/proto/google/protobuf";
import { register } from "@berth/rpc";
import { type Envelope, openRuntime, type Runtime, type Timeouts } from "@berth/runtime";
import { nodeByteStream } from "@berth/transport";
import { createServer } from "@berth/ttrpc";
import { taskOptions } from "../../packages/runtime/test/task-options.ts";
import { bundlesBelow, cgroupsOf, mountsBelow, processesNaming } from "../support/leftovers.ts";
import { until } from "../support/until.ts";

export interface Host extends AsyncDisposable {
  readonly directory: string;
  readonly namespace: string;
  readonly state: string;
  /** The runtime that is open now. */
  readonly runtime: Runtime;
  /** Every event since the beginning, over all runtimes. */
  readonly events: Envelope[];
  /** Resolves with the first event, past or to come, that is wanted. */
  event(wanted: (envelope: Envelope) => boolean): Promise<Envelope>;
  exits(id: string): TaskExit[];
  /** Makes a container record whose init runs this command. */
  container(id: string, args: readonly string[]): void;
  create(id: string): Promise<import("@berth/runtime").Task>;
  /** Closes the runtime, as if the supervisor were gone: its socket is not there either. */
  leave(): Promise<void>;
  /** Opens a new one on the same directories. */
  comeBack(): Promise<void>;
  /** Fails where a process, mount, bundle, cgroup or socket is left. */
  assertNothingLeft(): Promise<void>;
}

export interface HostOptions {
  readonly shim: string;
  readonly timeouts?: Partial<Timeouts>;
  /** Directory and namespace of another host, which has ended without closing. */
  readonly like?: { readonly directory: string; readonly namespace: string };
}

const stderrLog = (fields: object = {}): Log => {
  const say = (level: string) => (sentence: string, more?: object) => {
    if (process.env.TEST_LOG) console.error(level, sentence, { ...fields, ...more });
  };
  return {
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    with: (more) => stderrLog({ ...fields, ...more }),
  };
};

let hosts = 0;

export async function openHost({ shim, timeouts = {}, like }: HostOptions): Promise<Host> {
  const top = like?.directory ?? mkdtempSync(join(tmpdir(), "berth-rt-"));
  const namespace = like?.namespace ?? `rt-${process.pid}-${++hosts}`;
  const state = join(top, "s");
  const ttrpcAddress = join(top, "b.sock.ttrpc");
  const specs = new Map<string, Any>();
  const events: Envelope[] = [];
  let wake = Promise.withResolvers<void>();
  let current: { runtime: Runtime; end(): Promise<void> } | null = null;

  /** Where containerd's own shims listen (containerd pkg/shim, SocketAddress). */
  const goSocket = (id: string) => {
    const hash = createHash("sha256")
      .update(join(top, "b.sock", namespace, id))
      .digest("hex");
    return join("/run/containerd/s", hash);
  };
  const open = async () => {
    // Left by a host that was killed.
    rmSync(ttrpcAddress, { force: true });
    const runtime = await openRuntime({
      helper: startHelper(null, {}, silent),
      root: join(top, "r"),
      state,
      grpcAddress: join(top, "b.sock"),
      ttrpcAddress,
      containers: {
        get({ namespace: wanted }, id) {
          const spec = specs.get(id);
          if (wanted !== namespace || spec === undefined) throw notFound("container", id);
          return { runtime: { name: "io.containerd.runc.v2", options: null }, spec };
        },
      },
      clientFifos: join(top, "fifo"),
      drainCommand: () => ({ file: "/bin/false", args: [] }),
      exits: { get: () => null, keep() {}, forget() {} },
      putAside: (path) => assert.fail(`${path} is not known`),
      log: stderrLog(),
      clock: systemClock,
      timeouts,
      resolveShim: () => shim,
      publishBinary: "/bin/false",
      daemonVersion: "0.1.0",
    });
    const stop = new AbortController();
    const reading = (async () => {
      for await (const envelope of runtime.events.subscribe([], stop.signal)) {
        events.push(envelope);
        wake.resolve();
        wake = Promise.withResolvers();
      }
    })();
    const server = createServer({
      log: stderrLog(),
      registrations: [
        register(Events, {
          forward({ envelope }) {
            assert.ok(envelope?.event && envelope.timestamp);
            const { namespace, topic, event, timestamp } = envelope;
            runtime.events.forward({ namespace, topic, event, timestamp: toNanoseconds(timestamp) });
            return {};
          },
        }),
      ],
    });
    const sockets = new Set<Socket>();
    const listener = createSocketServer((socket) => {
      sockets.add(socket);
      server.accept(nodeByteStream(socket));
    });
    await new Promise<void>((resolve) => listener.listen(ttrpcAddress, resolve));
    current = {
      runtime,
      async end() {
        await runtime.close();
        server.close();
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => listener.close(resolve));
        stop.abort();
        await reading;
      },
    };
  };
  await open();
  const now = () => {
    assert.ok(current !== null);
    return current;
  };

  const host: Host = {
    directory: top,
    namespace,
    state,
    get runtime() {
      return now().runtime;
    },
    events,
    async event(wanted) {
      for (;;) {
        const found = events.find(wanted);
        if (found !== undefined) return found;
        await wake.promise;
      }
    },
    exits: (id) =>
      events
        .filter((envelope) => envelope.topic === topics.taskExit)
        .map((envelope) => unpackAny(TaskExit, envelope.event) as TaskExit)
        .filter((exit) => exit.containerId === id),
    container(id, args) {
      specs.set(id, specOf(namespace, id, args));
    },
    create: (id) =>
      now().runtime.tasks.create(namespace, {
        ...taskOptions(id),
        rootfs: [{ type: "bind", source: join(top, "rootfs"), target: "", options: ["rbind", "ro"] }],
      }),
    async leave() {
      await now().end();
      current = null;
    },
    async comeBack() {
      await open();
      await now().runtime.reconnect();
    },
    async assertNothingLeft() {
      // The end of a process that was killed takes a moment after the call that killed it.
      await until(
        () => processesNaming(namespace).length === 0,
        () => `no process is left: ${JSON.stringify(processesNaming(namespace))}`,
      );
      assert.deepEqual(mountsBelow(top), [], "mounts");
      assert.deepEqual(cgroupsOf(namespace), [], "cgroups");
      assert.deepEqual(bundlesBelow(state), [], "bundles");
      assert.deepEqual([...specs.keys()].map(goSocket).filter(existsSync), [], "sockets");
      assert.deepEqual(namesIn(join(state, "runc", namespace)), [], "runc's state");
      assert.deepEqual(namesIn(join(state, "s")), [], "our shims' sockets");
    },
    async [Symbol.asyncDispose]() {
      if (current === null) await open();
      await now().runtime.reconnect();
      for (const task of (await now().runtime.tasks.list(namespace)).tasks) {
        await task.kill("", 9, true).catch(() => undefined);
        await task.wait("", AbortSignal.timeout(15_000)).catch(() => undefined);
        await now()
          .runtime.tasks.delete(namespace, task.id)
          .catch(() => undefined);
      }
      await now().end();
      rmSync(top, { recursive: true, force: true });
      // What runtimes leave on purpose: the parents of what they made.
      const cgroups = readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name, namespace));
      for (const parent of cgroups) if (existsSync(parent)) rmdirSync(parent);
    },
  };
  if (like === undefined) makeRootfs(join(top, "rootfs"));
  return host;
}

function makeRootfs(root: string): void {
  for (const directory of ["bin", "dev", "proc", "sys", "tmp"]) mkdirSync(join(root, directory), { recursive: true });
  copyFileSync("/usr/bin/busybox", join(root, "bin/busybox"));
  for (const name of ["sh", "sleep", "true", "cat", "echo"]) symlinkSync("busybox", join(root, "bin", name));
}

function specOf(namespace: string, id: string, args: readonly string[]): Any {
  const capabilities = ["CAP_KILL", "CAP_SETUID", "CAP_SETGID"];
  const spec = {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args,
      env: ["PATH=/bin"],
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: true,
    },
    root: { path: "rootfs" },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
    ],
    linux: {
      cgroupsPath: `/${namespace}/${id}`,
      namespaces: ["pid", "ipc", "uts", "mount", "network"].map((type) => ({ type })),
    },
  };
  return { typeUrl: typeUrls.spec, value: Buffer.from(JSON.stringify(spec)) };
}

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** The shim that serves a task, by its parentage of init. */
export function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}
