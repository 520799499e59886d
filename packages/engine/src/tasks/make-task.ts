import type { Descriptor, Mount } from "@berth/base";
import { type Task, taskExists } from "@berth/runtime";
import type { AnyValue } from "@berth/store";
import type { EngineDeps } from "../containers/deps.ts";
import { filesOf, provideFiles } from "../files/container-files.ts";
import type { Caller, Stdio } from "../types.ts";
import { layOutCheckpoint } from "./checkpoint-content.ts";

/** A task as a client of containerd's API asks for it, who mounts and makes FIFOs itself. */
export interface NewBareTask extends Stdio {
  readonly id: string;
  readonly rootfs: readonly Mount[];
  readonly terminal: boolean;
  /** What it is restored from: a directory of the caller's, or content; null for nothing. */
  readonly checkpoint: string | Descriptor | null;
  /** For the shim, in the place of the container's. */
  readonly options: AnyValue | null;
  /** Path of a shim to use instead of the container's runtime; empty for that one. */
  readonly runtimePath: string;
}

/** Makes the task of a container that has none, of what the caller has prepared. */
export async function makeTask(deps: EngineDeps, wanted: NewBareTask, caller: Caller): Promise<Task> {
  const { store, runtime } = deps;
  const record = store.containers.get(caller, wanted.id);
  const { id } = record;
  if ((await runtime.tasks.find(caller.namespace, id)) !== null) throw taskExists(id);
  const { checkpoint } = wanted;
  provideFiles(filesOf(deps.files, caller.namespace, id), record.spec);
  return await runtime.tasks.create(caller.namespace, {
    ...wanted,
    id,
    client: null,
    checkpoint:
      typeof checkpoint === "object" && checkpoint !== null
        ? (directory) => layOutCheckpoint(deps, caller, checkpoint, directory)
        : (checkpoint ?? ""),
  });
}
