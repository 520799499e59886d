import { invalidArgument } from "@berth/base";
import { type Task, taskExists } from "@berth/runtime";
import { logLimits } from "../logs/log-limits.ts";
import { logPlace, prepareLog } from "../logs/log-place.ts";
import { makeTask } from "../tasks/make-task.ts";
import type { Caller, NewTask } from "../types.ts";
import { clientDirectory } from "./client-directory.ts";
import type { EngineDeps } from "./deps.ts";
import { explainChroot } from "./root-mount-point.ts";

/** Makes the task of a container that has none. What fails leaves nothing of it. */
export async function createTask(deps: EngineDeps, wanted: NewTask, caller: Caller): Promise<Task> {
  const { store, lives } = deps;
  const { id } = wanted;
  store.containers.get(caller, id);
  return await lives.make({ namespace: caller.namespace, id }, taskExists(id), caller.signal, async (signal) => {
    if (wanted.startFollows && store.unfinished.get(caller, id) === null) store.unfinished.set(caller, id, "start");
    try {
      return await make(deps, wanted, caller, signal);
    } catch (error) {
      // A caller who hears of it knows what is there, and may start it later. One who is gone does not.
      if (!signal.aborted && store.containers.find(caller, id) !== null) store.unfinished.clear(caller, id);
      throw explainChroot(error);
    }
  });
}

async function make(deps: EngineDeps, wanted: NewTask, caller: Caller, signal: AbortSignal): Promise<Task> {
  const { store, runtime } = deps;
  const record = store.containers.get(caller, wanted.id);
  if (wanted.log && (wanted.stdout !== "" || wanted.stderr !== ""))
    throw invalidArgument("a task has either a log or a stdout and stderr of the caller's, not both");
  if ((await runtime.tasks.find(caller.namespace, wanted.id)) !== null) throw taskExists(wanted.id);
  const log = wanted.log
    ? await prepareLog(logPlace(deps.logs, caller.namespace, wanted.id), logLimits(record.labels), {
        shim: deps.resolveShim(record.runtime.name),
        own: deps.ownShim,
      })
    : "";
  const rootfs =
    record.snapshotKey === "" ? [] : await store.snapshotter(record.snapshotter).mounts(caller, record.snapshotKey);
  const task = {
    id: wanted.id,
    rootfs,
    stdin: wanted.stdin,
    stdout: log || wanted.stdout,
    stderr: log && !wanted.terminal ? log : wanted.stderr,
    terminal: wanted.terminal,
    client: clientDirectory(wanted) || null,
    checkpoint: null,
    options: null,
    runtimePath: "",
  };
  return await makeTask(deps, task, caller, signal);
}
