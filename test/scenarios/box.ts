// One container of a scenario, and the calls of the task service for it.
import { readFileSync } from "node:fs";
import type { GrpcConnection } from "@berth/grpc";
import { isSet, typeUrls } from "@berth/proto";
import { type CreateTaskRequest, type DeleteResponse, Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { type Process, Status } from "@berth/proto/containerd/v1/types";
import type { Any } from "@berth/proto/google/protobuf";
import { ociProcess } from "../support/bundle.ts";
import { until } from "../support/until.ts";

export type StatusName = "unknown" | "created" | "running" | "stopped" | "paused" | "pausing";

export interface Streams {
  readonly stdin?: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly terminal?: boolean;
  /** What an exec's process says about a terminal; default: what the request says. */
  readonly specTerminal?: boolean;
}

export interface Box {
  readonly id: string;
  create(request?: Partial<CreateTaskRequest>): Promise<number>;
  start(execId?: string): Promise<number>;
  /** create and start */
  up(request?: Partial<CreateTaskRequest>): Promise<number>;
  kill(signal: number, request?: { execId?: string; all?: boolean }): Promise<void>;
  /** Waits for the exit: its status. */
  wait(execId?: string): Promise<number>;
  delete(): Promise<DeleteResponse>;
  deleteExec(execId: string): Promise<DeleteResponse>;
  /** Kills, waits and deletes. */
  down(): Promise<DeleteResponse>;
  /** Registers an exec. */
  exec(execId: string, args: readonly string[], streams?: Streams): Promise<void>;
  /** Registers and starts an exec. */
  execUp(execId: string, args: readonly string[], streams?: Streams): Promise<number>;
  /** Runs an exec to its end and deletes it: its exit status. */
  run(execId: string, ...args: string[]): Promise<number>;
  state(execId?: string): Promise<Process>;
  status(execId?: string): Promise<StatusName>;
  pids(): Promise<{ pid: number; info: Any | null }[]>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  resize(width: number, height: number, execId?: string): Promise<void>;
  closeInput(execId?: string): Promise<void>;
  update(resources: object): Promise<void>;
  checkpoint(options?: Any | null): Promise<void>;
}

const names = Object.fromEntries(Object.entries(Status).map(([name, number]) => [number, name.toLowerCase()]));

export interface BoxDeps {
  readonly connection: GrpcConnection;
  readonly namespace: string;
  /** Mounted on the bundle's rootfs. */
  readonly rootfs: CreateTaskRequest["rootfs"];
}

/**
 * Whether the process is still the runtime's own, which runs the program a moment after the start was answered. It is
 * written in Go, and ignores SIGUSR1: what is sent to it before is lost.
 */
function isRuntimes(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("runc:");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

export function boxOf(id: string, { connection, namespace, rootfs }: BoxDeps): Box {
  const tasks = connection.service(Tasks);
  const containerId = id;
  const to = { namespace, timeoutMs: 45_000 };
  const json = (typeUrl: string, value: object) => ({
    typeUrl,
    value: new TextEncoder().encode(JSON.stringify(value)),
  });
  /** Pids by exec id. */
  const started = new Map<string, number>();
  const box: Box = {
    id,
    create: async (request = {}) => (await tasks.create({ containerId, rootfs, ...request }, to)).pid,
    async start(execId = "") {
      const { pid } = await tasks.start({ containerId, execId }, to);
      started.set(execId, pid);
      return pid;
    },
    async up(request) {
      await box.create(request);
      return await box.start();
    },
    async kill(signal, { execId = "", all = false } = {}) {
      const pid = started.get(execId);
      if (pid !== undefined) await until(() => !isRuntimes(pid));
      await tasks.kill({ containerId, execId, signal, all }, to);
    },
    async wait(execId = "") {
      const { exitStatus, exitedAt } = await tasks.wait({ containerId, execId }, to);
      if (!isSet(exitedAt)) throw new Error(`the exit of ${id} ${execId} has no time`);
      return exitStatus;
    },
    delete: () => tasks.delete({ containerId }, to),
    deleteExec: (execId) => tasks.deleteProcess({ containerId, execId }, to),
    async down() {
      await box.kill(9);
      await box.wait();
      return await box.delete();
    },
    async exec(execId, args, { terminal = false, specTerminal = terminal, ...streams } = {}) {
      const spec = json(typeUrls.process, ociProcess(args, specTerminal));
      await tasks.exec({ containerId, execId, spec, terminal, ...streams }, to);
    },
    async execUp(execId, args, streams) {
      await box.exec(execId, args, streams);
      return await box.start(execId);
    },
    async run(execId, ...args) {
      await box.execUp(execId, args);
      const status = await box.wait(execId);
      await box.deleteExec(execId);
      return status;
    },
    async state(execId = "") {
      const { process } = await tasks.get({ containerId, execId }, to);
      if (process === null) throw new Error(`no state of ${id} ${execId}`);
      return process;
    },
    status: async (execId) => names[(await box.state(execId)).status] as StatusName,
    pids: async () => (await tasks.listPids({ containerId }, to)).processes,
    async pause() {
      await tasks.pause({ containerId }, to);
    },
    async resume() {
      await tasks.resume({ containerId }, to);
    },
    async resize(width, height, execId = "") {
      await tasks.resizePty({ containerId, execId, width, height }, to);
    },
    async closeInput(execId = "") {
      await tasks.closeIO({ containerId, execId, stdin: true }, to);
    },
    async update(resources) {
      await tasks.update({ containerId, resources: json(typeUrls.linuxResources, resources) }, to);
    },
    async checkpoint(options = null) {
      await tasks.checkpoint({ containerId, options }, to);
    },
  };
  return box;
}
