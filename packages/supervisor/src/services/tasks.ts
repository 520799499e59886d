import { checkId, invalidArgument, unknownError } from "@berth/base";
import {
  checkpointTask,
  type EngineDeps,
  findTask,
  listTasks,
  makeTask,
  startTask,
  taskMetrics,
  taskState,
} from "@berth/engine";
import { toTimestamp, unpackAny } from "@berth/proto";
import { CheckpointOptions, Options } from "@berth/proto/containerd/runc/v1";
import type { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import type { Call, ServiceImpl } from "@berth/rpc";
import type { Exit, Task } from "@berth/runtime";
import { mountsFromProto } from "./convert-common.ts";
import { descriptorToProto } from "./convert-descriptor.ts";
import { processToProto } from "./convert-process.ts";

const exitToProto = (exit: Exit) => ({
  pid: exit.pid,
  exitStatus: exit.status,
  exitedAt: toTimestamp(exit.at),
});

export function tasksService(deps: EngineDeps): ServiceImpl<typeof Tasks> {
  const find = (call: Call, id: string): Promise<Task> => findTask(deps, id, call);

  return {
    async create({ containerId, rootfs, checkpoint, options, ...wanted }, call) {
      // A directory of the caller's own comes before content, as in containerd.
      const ownImage = options === null ? "" : (unpackAny(Options, options)?.criuImagePath ?? "");
      const prepared = { rootfs: mountsFromProto(rootfs), checkpoint: ownImage || checkpoint, client: null };
      const task = await makeTask(deps, { ...wanted, ...prepared, id: containerId, options }, call);
      return { containerId: task.id, pid: task.pid };
    },
    start: async (req, call) => ({ pid: await startTask(deps, req.containerId, req.execId, call) }),
    async delete(req, call) {
      await find(call, req.containerId);
      return exitToProto(await deps.runtime.tasks.delete(call.namespace, req.containerId));
    },
    async deleteProcess(req, call) {
      const exit = await (await find(call, req.containerId)).deleteExec(req.execId);
      return { id: req.execId, ...exitToProto(exit) };
    },
    get: async (req, call) => ({
      process: processToProto(await taskState(deps, req.containerId, req.execId, call)),
    }),
    list: async (_req, call) => ({ tasks: (await listTasks(deps, call)).map(processToProto) }),
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
    async checkpoint({ containerId: id, options }, call) {
      const known = options === null ? null : unpackAny(CheckpointOptions, options);
      if (options !== null && known === null) {
        await find(call, id);
        throw unknownError(`type with url ${options.typeUrl}: not found: unknown`);
      }
      const kept = await checkpointTask(deps, { id, path: known?.imagePath ?? "", options }, call);
      return { descriptors: kept.map(descriptorToProto) };
    },
    async update(req, call) {
      await (await find(call, req.containerId)).update(req.resources, req.annotations);
      return {};
    },
    async metrics(req, call) {
      const metrics = await taskMetrics(deps, req.filters, call);
      return { metrics: metrics.map(({ id, at, data }) => ({ id, timestamp: toTimestamp(at), data })) };
    },
    async wait(req, call) {
      const exit = await (await find(call, req.containerId)).wait(req.execId, call.signal);
      return { exitStatus: exit.status, exitedAt: toTimestamp(exit.at) };
    },
  };
}
