import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { invalidArgument } from "@berth/base";
import type { CreateTaskRequest } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import { settledTasks } from "../settled-tasks.ts";
import { type EngineNeeds, logPath } from "./needs.ts";

export async function createTask(needs: EngineNeeds, req: CreateTaskRequest, call: Call): Promise<{ pid: number }> {
  const { store, runtime } = needs;
  const record = store.containers.get(call, req.id);
  if (req.log && (req.stdout !== "" || req.stderr !== ""))
    throw invalidArgument("a task has either a log or a stdout and stderr of the caller's, not both");
  await settledTasks(runtime).settle(call.namespace, req.id);
  const log = req.log ? await openedLog(needs, call.namespace, req.id) : "";
  const rootfs =
    record.snapshotKey === "" ? [] : await store.snapshotter(record.snapshotter).mounts(call, record.snapshotKey);
  const task = await runtime.tasks.create(call.namespace, {
    id: req.id,
    rootfs,
    stdin: req.stdin,
    stdout: log || req.stdout,
    stderr: log && !req.terminal ? log : req.stderr,
    terminal: req.terminal,
    checkpoint: "",
    options: null,
    runtimePath: "",
  });
  return { pid: task.pid };
}

/** Makes the log's file, private, before the shim appends to it; returns its URL. */
async function openedLog(needs: EngineNeeds, namespace: string, id: string): Promise<string> {
  const path = logPath(needs, namespace, id);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await (await open(path, "a", 0o600)).close();
  return `file://${path}`;
}
