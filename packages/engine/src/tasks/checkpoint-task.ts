import { mkdir } from "node:fs/promises";
import type { Descriptor } from "@berth/base";
import type { AnyValue } from "@berth/store";
import type { EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";
import { imageIn, keepCheckpoint } from "./checkpoint-content.ts";
import { findTask } from "./find-task.ts";

export interface TaskCheckpoint {
  readonly id: string;
  /** Where the caller wants it, who keeps it then; empty: it is stored as content. */
  readonly path: string;
  /** For the shim. */
  readonly options: AnyValue | null;
}

/** Has a task's processes written to a directory; returns the descriptors of what was stored, none with a path. */
export async function checkpointTask(
  deps: EngineDeps,
  { id, path, options }: TaskCheckpoint,
  caller: Caller,
): Promise<Descriptor[]> {
  const task = await findTask(deps, id, caller);
  if (path !== "") {
    await task.checkpoint(path, options);
    return [];
  }
  await using scratch = await task.scratch();
  await mkdir(imageIn(scratch.path));
  await task.checkpoint(imageIn(scratch.path), options);
  return await keepCheckpoint(deps, caller, scratch.path, deps.store.containers.get(caller, id));
}
