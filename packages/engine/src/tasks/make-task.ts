import type { Descriptor, Mount } from "@berth/base";
import { type CreateTask, type Task, taskExists } from "@berth/runtime";
import type { AnyValue } from "@berth/store";
import type { EngineDeps } from "../containers/deps.ts";
import { filesOf, provideFiles } from "../files/container-files.ts";
import type { Caller, Stdio } from "../types.ts";
import { layOutCheckpoint } from "./checkpoint-content.ts";

/** A task of what its caller has prepared: mounts, and FIFOs or files. */
export interface PreparedTask extends Stdio {
  readonly id: string;
  readonly rootfs: readonly Mount[];
  readonly terminal: boolean;
  /** The FIFO directory of the client that stands for it; null for none. */
  readonly client: string | null;
  /** What it is restored from: a directory of the caller's, or content; null for nothing. */
  readonly checkpoint: string | Descriptor | null;
  /** For the shim, in the place of the container's. */
  readonly options: AnyValue | null;
  /** Path of a shim to use instead of the container's runtime; empty for that one. */
  readonly runtimePath: string;
}

/** Makes the task of a container that has none. `signal` takes it back while it is made. */
export async function makeTask(
  deps: EngineDeps,
  wanted: PreparedTask,
  caller: Caller,
  signal?: AbortSignal,
): Promise<Task> {
  const { store, runtime } = deps;
  const record = store.containers.get(caller, wanted.id);
  const { id } = record;
  if ((await runtime.tasks.find(caller.namespace, id)) !== null) throw taskExists(id);
  provideFiles(filesOf(deps.files, caller.namespace, id), record.spec);
  const checkpoint = imageOf(deps, wanted.checkpoint, caller);
  return await runtime.tasks.create(caller.namespace, { ...wanted, id, checkpoint }, signal);
}

function imageOf(deps: EngineDeps, checkpoint: PreparedTask["checkpoint"], caller: Caller): CreateTask["checkpoint"] {
  if (checkpoint === null || typeof checkpoint === "string") return checkpoint ?? "";
  return (directory) => layOutCheckpoint(deps, caller, checkpoint, directory);
}
