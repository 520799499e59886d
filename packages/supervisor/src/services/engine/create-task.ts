import { invalidArgument } from "@berth/base";
import { filesOf, logLimits, logPlace, prepareLog, provideFiles } from "@berth/engine";
import type { CreateTaskRequest } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import { taskExists } from "@berth/runtime";
import { clientDirectory } from "./client-directory.ts";
import type { EngineNeeds } from "./needs.ts";
import { explainChroot } from "./root-mount-point.ts";

export async function createTask(needs: EngineNeeds, req: CreateTaskRequest, call: Call): Promise<{ pid: number }> {
  const { store, lives } = needs;
  const { id } = req;
  store.containers.get(call, id);
  return await lives.make({ namespace: call.namespace, id }, taskExists(id), call.signal, async (signal) => {
    if (req.startFollows && store.unfinished.get(call, id) === null) store.unfinished.set(call, id, "start");
    try {
      return await make(needs, req, call, signal);
    } catch (error) {
      // A caller who hears of it knows what is there, and may start it later. One who is gone does not.
      if (!signal.aborted && store.containers.find(call, id) !== null) store.unfinished.clear(call, id);
      throw explainChroot(error);
    }
  });
}

async function make(
  needs: EngineNeeds,
  req: CreateTaskRequest,
  call: Call,
  signal: AbortSignal,
): Promise<{ pid: number }> {
  const { store, runtime } = needs;
  const record = store.containers.get(call, req.id);
  if (req.log && (req.stdout !== "" || req.stderr !== ""))
    throw invalidArgument("a task has either a log or a stdout and stderr of the caller's, not both");
  if ((await runtime.tasks.find(call.namespace, req.id)) !== null) throw taskExists(req.id);
  const log = req.log
    ? await prepareLog(logPlace(needs.logs, call.namespace, req.id), logLimits(record.labels), {
        shim: needs.resolveShim(record.runtime.name),
        own: needs.ownShim,
      })
    : "";
  const rootfs =
    record.snapshotKey === "" ? [] : await store.snapshotter(record.snapshotter).mounts(call, record.snapshotKey);
  provideFiles(filesOf(needs.files, call.namespace, record.id), record.spec);
  const task = await runtime.tasks.create(
    call.namespace,
    {
      id: req.id,
      rootfs,
      stdin: req.stdin,
      stdout: log || req.stdout,
      stderr: log && !req.terminal ? log : req.stderr,
      terminal: req.terminal,
      client: clientDirectory(req) || null,
      checkpoint: "",
      options: null,
      runtimePath: "",
    },
    signal,
  );
  return { pid: task.pid };
}
