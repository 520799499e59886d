import type { ContainerRecord } from "@berth/store";
import type { Caller } from "../types.ts";
import { type ContainerState, stateOf } from "./container-state.ts";
import { type EngineDeps, specOf } from "./deps.ts";

export interface ContainerSummary {
  readonly record: ContainerRecord;
  /** Of its first process; empty where it has no spec. */
  readonly args: readonly string[];
  /** null: it was never started. */
  readonly state: ContainerState | null;
}

/** The containers of a namespace by id. */
export async function listContainers(
  deps: EngineDeps,
  filters: readonly string[],
  caller: Caller,
): Promise<ContainerSummary[]> {
  const records = deps.store.containers.list(caller, filters);
  // All at once: shims that do not answer delay the list by one deadline, not by one each.
  return await Promise.all(
    records.map(async (record) => ({
      record,
      args: record.spec === null ? [] : (specOf(record).process?.args ?? []),
      state: await stateOf(deps, record.id, caller),
    })),
  );
}
