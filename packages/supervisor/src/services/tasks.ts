import {
  type Clock,
  checkId,
  failedPrecondition,
  invalidArgument,
  isNotFound,
  type Log,
  parseFilters,
  unknownError,
} from "@berth/base";
import { filesOf, type Lives, provideFiles } from "@berth/engine";
import type { Differ } from "@berth/images";
import { toTimestamp, unpackAny } from "@berth/proto";
import { CheckpointOptions, Options } from "@berth/proto/containerd/runc/v1";
import type { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import type { Call, ServiceImpl } from "@berth/rpc";
import { type Exit, type ProcessState, type Runtime, type Task, taskExists } from "@berth/runtime";
import type { ContainerStore, ContentStore, UnfinishedStore } from "@berth/store";
import { keepCheckpoint, layOutCheckpoint, scratchDirectory } from "./checkpoints.ts";
import { mountsFromProto } from "./convert-common.ts";
import { descriptorToProto } from "./convert-descriptor.ts";
import { processToProto } from "./convert-process.ts";

export interface TasksNeeds {
  readonly runtime: Runtime;
  readonly containers: ContainerStore;
  readonly content: ContentStore;
  readonly differ: Differ;
  readonly clock: Clock;
  readonly unfinished: UnfinishedStore;
  readonly lives: Lives;
  /** Directory of the files that are made for containers. */
  readonly files: string;
}

const exitToProto = (exit: Exit) => ({
  pid: exit.pid,
  exitStatus: exit.status,
  exitedAt: toTimestamp(exit.at),
});

export function tasksService(needs: TasksNeeds): ServiceImpl<typeof Tasks> {
  const { runtime, containers, clock, unfinished, lives } = needs;

  /** The container's task; not-found names the container where that is what is missing. */
  const find = async (call: Call, id: string): Promise<Task> => {
    containers.get(call, id);
    return await runtime.tasks.get(call.namespace, id);
  };

  /** Durable before the caller hears of a start, so that no later one undoes it. */
  const nothingFollows = (call: Call, id: string): void => {
    const step = unfinished.get(call, id);
    if (step === "run" || step === "start") unfinished.clear(call, id);
  };

  return {
    async create(req, call) {
      const record = containers.get(call, req.containerId);
      const { id } = record;
      if ((await runtime.tasks.find(call.namespace, id)) !== null) throw taskExists(id);
      // A directory of the caller's own comes before content, as in containerd.
      const ownImage = req.options === null ? "" : (unpackAny(Options, req.options)?.criuImagePath ?? "");
      const { checkpoint } = req;
      const layOut = async (directory: string): Promise<void> => {
        if (checkpoint !== null) await layOutCheckpoint(needs, call, checkpoint, directory);
      };
      provideFiles(filesOf(needs.files, call.namespace, id), record.spec);
      const task = await runtime.tasks.create(call.namespace, {
        id,
        rootfs: mountsFromProto(req.rootfs),
        stdin: req.stdin,
        stdout: req.stdout,
        stderr: req.stderr,
        terminal: req.terminal,
        client: null,
        checkpoint: ownImage || (checkpoint === null ? "" : layOut),
        options: req.options,
        runtimePath: req.runtimePath,
      });
      return { containerId: id, pid: task.pid };
    },
    async start(req, call) {
      const task = await find(call, req.containerId);
      if (req.execId !== "") return { pid: await task.start(req.execId) };
      const name = { namespace: call.namespace, id: req.containerId };
      return await lives.start(name, async () => {
        // It may have been undone before it was our turn.
        await runtime.tasks.get(call.namespace, req.containerId);
        try {
          return { pid: await task.start("") };
        } finally {
          // Whether it was started or not: a caller who is still there knows what there is now.
          if (!call.signal.aborted) nothingFollows(call, req.containerId);
        }
      });
    },
    async delete(req, call) {
      await find(call, req.containerId);
      return exitToProto(await runtime.tasks.delete(call.namespace, req.containerId));
    },
    async deleteProcess(req, call) {
      const exit = await (await find(call, req.containerId)).deleteExec(req.execId);
      return { id: req.execId, ...exitToProto(exit) };
    },
    async get(req, call) {
      const task = await find(call, req.containerId);
      return { process: processToProto(await stateOf(task, req.execId, call.log)) };
    },
    async list(_req, call) {
      const { tasks, undecided } = await runtime.tasks.list(namespaceOf(call));
      const states = await Promise.all(tasks.map((task) => stateOf(task, "", call.log).catch(whereNotFound)));
      const known = states.filter((state) => state !== null);
      return { tasks: [...known, ...undecided.map((id) => unknownState(id))].map(processToProto) };
    },
    async kill(req, call) {
      await (await find(call, req.containerId)).kill(req.execId, req.signal, req.all);
      return {};
    },
    async exec(req, call) {
      if (req.execId === "") throw invalidArgument("exec id cannot be empty");
      checkId("exec", req.execId);
      const task = await find(call, req.containerId);
      const { execId, terminal, stdin, stdout, stderr, spec } = req;
      await task.exec({ execId, terminal, stdin, stdout, stderr, spec, client: null });
      return {};
    },
    async resizePty(req, call) {
      await (await find(call, req.containerId)).resizePty(req.execId, req.width, req.height);
      return {};
    },
    async closeIO(req, call) {
      await (await find(call, req.containerId)).closeIO(req.execId, req.stdin);
      return {};
    },
    async pause(req, call) {
      await (await find(call, req.containerId)).pause();
      return {};
    },
    async resume(req, call) {
      await (await find(call, req.containerId)).resume();
      return {};
    },
    async listPids(req, call) {
      return { processes: await (await find(call, req.containerId)).pids() };
    },
    async checkpoint(req, call) {
      const task = await find(call, req.containerId);
      const options = req.options === null ? null : unpackAny(CheckpointOptions, req.options);
      if (options === null && req.options !== null)
        throw unknownError(`type with url ${req.options.typeUrl}: not found: unknown`);
      // With a path of the caller's own, the checkpoint is the caller's: nothing is stored.
      if (options !== null && options.imagePath !== "") {
        await task.checkpoint(options.imagePath, req.options);
        return { descriptors: [] };
      }
      await using scratch = await scratchDirectory();
      await task.checkpoint(scratch.path, req.options);
      const kept = await keepCheckpoint(needs, call, scratch.path, containers.get(call, req.containerId));
      return { descriptors: kept.map(descriptorToProto) };
    },
    async update(req, call) {
      await (await find(call, req.containerId)).update(req.resources, req.annotations);
      return {};
    },
    async metrics(req, call) {
      const wanted = parseFilters(req.filters);
      const { tasks: all, undecided } = await runtime.tasks.list(namespaceOf(call));
      for (const container of undecided) call.log.warn("metrics of a task are unavailable", { container });
      const tasks = all.filter((task) => wanted(fieldOf(task)));
      const metrics = await Promise.all(tasks.map((task) => metricOf(task, clock, call.log)));
      return { metrics: metrics.filter((metric) => metric !== null) };
    },
    async wait(req, call) {
      const exit = await (await find(call, req.containerId)).wait(req.execId, call.signal);
      return { exitStatus: exit.status, exitedAt: toTimestamp(exit.at) };
    },
  };
}

/** A shim that does not answer, or answers nonsense, is in an unknown state: the caller learns that, not an error. */
async function stateOf(task: Task, execId: string, log: Log): Promise<ProcessState> {
  try {
    return await task.state(execId);
  } catch (err) {
    if (isNotFound(err)) throw err;
    log.with({ container: task.id, exec: execId }).warn("the state of a task is unavailable", { err });
    return unknownState(execId || task.id, task.bundle);
  }
}

function unknownState(id: string, bundle = ""): ProcessState {
  const nothing = { stdin: "", stdout: "", stderr: "", terminal: false, exitStatus: 0, exitedAt: null };
  return { id, pid: 0, status: "unknown", bundle, ...nothing };
}

async function metricOf(task: Task, clock: Clock, log: Log) {
  try {
    const data = await task.stats();
    return { timestamp: toTimestamp(clock.now()), id: task.id, data };
  } catch (err) {
    if (!isNotFound(err)) log.warn("metrics of a task are unavailable", { container: task.id, err });
    return null;
  }
}

const fieldOf =
  (task: Task) =>
  (path: readonly string[]): string | null =>
    path[0] === "id" ? task.id : path[0] === "namespace" ? task.namespace : null;

function namespaceOf({ namespace }: Call): string {
  if (namespace === "") throw failedPrecondition("namespace is required: failed precondition");
  return checkId("namespace", namespace);
}

function whereNotFound(error: unknown): null {
  if (isNotFound(error)) return null;
  throw error;
}
