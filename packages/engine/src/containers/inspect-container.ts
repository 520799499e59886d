import type { ContainerRecord } from "@berth/store";
import { logPlace, pathOfLog } from "../logs/log-place.ts";
import type { OciSpec } from "../oci.ts";
import type { Caller } from "../types.ts";
import { type ContainerState, stateOf } from "./container-state.ts";
import { type EngineDeps, specOf } from "./deps.ts";

/** Everything that is known of a container. */
export interface ContainerDetails {
  readonly record: ContainerRecord;
  readonly spec: OciSpec | null;
  /** null: it was never started. */
  readonly state: ContainerState | null;
  /** Path of its task's bundle, and of the shim; empty where it has no task. */
  readonly bundle: string;
  readonly shim: string;
  /** Path of its log; null where it has none. */
  readonly log: string | null;
}

export async function inspectContainer(deps: EngineDeps, id: string, caller: Caller): Promise<ContainerDetails> {
  const record = deps.store.containers.get(caller, id);
  const state = await stateOf(deps, id, caller);
  const task = deps.runtime.tasks.known(caller.namespace, id);
  return {
    record,
    spec: record.spec === null ? null : specOf(record),
    state,
    bundle: task?.bundle ?? "",
    shim: task?.shim ?? "",
    log: await pathOfLog(logPlace(deps.logs, caller.namespace, id)),
  };
}
