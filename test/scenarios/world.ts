// What a scenario has: the daemon's clients, a recorder of events that listened before, containers of its own.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isNotFound, messageOf } from "@berth/base";
import { connectGrpc, type GrpcConnection } from "@berth/grpc";
import { typeUrls } from "@berth/proto";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import type { Any } from "@berth/proto/google/protobuf";
import type { Client } from "@berth/rpc";
import { makeRootfs, ociSpec, type SpecOptions } from "../support/bundle.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { type Box, boxOf } from "./box.ts";
import { type Recorder, recordEvents } from "./event-recorder.ts";
import { eventually } from "./expect.ts";
import type { Pair } from "./pairs.ts";
import { makeFifo, type Reading, readFifo } from "./streams.ts";

/** Everything that the scenarios of one pair share. */
export interface Stage extends AsyncDisposable {
  readonly pair: Pair;
  readonly daemon: Supervisor;
  readonly namespace: string;
  readonly connection: GrpcConnection;
  readonly rootfs: string;
  recorder: Recorder;
}

export interface World extends AsyncDisposable {
  readonly stage: Stage;
  readonly pair: Pair;
  readonly tasks: Client<typeof Tasks>;
  readonly containers: Client<typeof Containers>;
  /** `{ namespace }`, for calls that no box has. */
  readonly to: { readonly namespace: string; readonly timeoutMs: number };
  readonly events: Recorder;
  /** A folder of the scenario's own. */
  readonly dir: string;
  readonly rootfsMount: { type: string; source: string; options: string[] };
  /** The name of a container that is not there yet. */
  newId(): string;
  /** Records a container; its task is made by `create`. */
  box(args: readonly string[], options?: BoxOptions): Promise<Box>;
  fifo(name: string): string;
  /** A new FIFO, read to its end. */
  reading(name: string): Reading;
  /** FIFOs for everything: containerd's shim wants both outputs where one is a FIFO. */
  io(withInput?: boolean): Io;
  bundle(id: string): string;
}

export interface Io {
  readonly out: Reading;
  readonly err: Reading;
  readonly streams: { readonly stdin: string; readonly stdout: string; readonly stderr: string };
}

export interface BoxOptions extends Omit<SpecOptions, "args"> {
  readonly id?: string;
  /** Container.runtime.options */
  readonly runtimeOptions?: Any;
  /** Changes the specification before it is recorded. */
  readonly change?: (spec: never) => unknown;
  /** The bytes of the specification, where it shall be none. */
  readonly spec?: string;
}

export async function openStage(pair: Pair, namespace: string): Promise<Stage> {
  const daemon = await pair.start();
  const connection = connectGrpc(daemon.address);
  const recorder = await recordEvents(connection, namespace);
  const rootfs = makeRootfs(join(daemon.dir, "busybox"));
  const stage: Stage = {
    pair,
    daemon,
    namespace,
    connection,
    rootfs,
    recorder,
    async [Symbol.asyncDispose]() {
      stage.recorder[Symbol.dispose]();
      connection.close();
      await daemon[Symbol.asyncDispose]();
    },
  };
  return stage;
}

let made = 0;

export function openWorld(stage: Stage): World {
  const { connection, namespace, pair, daemon } = stage;
  const to = { namespace, timeoutMs: 45_000 };
  const tasks = connection.service(Tasks);
  const containers = connection.service(Containers);
  const dir = join(daemon.dir, `w${++made}`);
  mkdirSync(dir);
  const boxes: Box[] = [];
  const readings: Reading[] = [];
  const rootfsMount = { type: "bind", source: stage.rootfs, options: ["rbind", "ro"] };
  const world: World = {
    stage,
    pair,
    tasks,
    containers,
    to,
    get events() {
      return stage.recorder;
    },
    dir,
    rootfsMount,
    newId: () => `c${process.pid}-${++made}`,
    async box(args, { id = `c${process.pid}-${++made}`, runtimeOptions, change, spec, ...options } = {}) {
      const config = ociSpec({ args, cgroupsPath: `/${namespace}/${id}`, ...options });
      change?.(config as never);
      const value = new TextEncoder().encode(spec ?? JSON.stringify(config));
      const runtime = { name: pair.runtime, options: runtimeOptions ?? null };
      const container = { id, runtime, spec: { typeUrl: typeUrls.spec, value } };
      const box = boxOf(id, { connection, namespace, rootfs: [{ target: "", ...rootfsMount }] });
      await containers.create({ container }, to);
      boxes.push(box);
      return box;
    },
    fifo: (name) => makeFifo(join(dir, name)),
    reading(name) {
      const reading = readFifo(makeFifo(join(dir, name)));
      readings.push(reading);
      return reading;
    },
    io(withInput = false) {
      const n = ++made;
      const [out, err] = [world.reading(`out${n}`), world.reading(`err${n}`)];
      const stdin = withInput ? world.fifo(`in${n}`) : "";
      return { out, err, streams: { stdin, stdout: out.path, stderr: err.path } };
    },
    bundle: (id) => join(daemon.state, "io.containerd.runtime.v2.task", namespace, id),
    async [Symbol.asyncDispose]() {
      for (const reading of readings) reading.close();
      for (const box of boxes.reverse()) {
        await remove(box);
        await containers.delete({ id: box.id }, to).catch(unlessNotFound);
      }
    },
  };
  return world;
}

/** Whatever state the scenario has left it in. */
async function remove(box: Box): Promise<void> {
  let status = await box.status().catch(unlessNotFound);
  if (status === undefined) return;
  // `runc kill --all` thaws, and the shim is not told: then there is nothing to resume.
  if (status === "paused") await box.resume().catch(unlessSaying("not paused"));
  if (status === "unknown") status = "stopped";
  if (status !== "stopped") await box.kill(9, { all: true }).catch(unlessNotFound);
  if (status === "running" || status === "paused")
    await eventually("the end of a container", async () => (await box.status()) === "stopped");
  await box.delete().catch(unlessNotFound);
}

function unlessNotFound(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}

const unlessSaying =
  (text: string) =>
  (error: unknown): undefined => {
    if (!messageOf(error).includes(text)) throw error;
  };
