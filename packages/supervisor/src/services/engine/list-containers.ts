import type { Init } from "@berth/proto";
import type { ContainerSummary } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import type { ContainerRecord } from "@berth/store";
import { timestampOf } from "../convert-common.ts";
import { stateOf } from "./container-state.ts";
import { type EngineNeeds, specOf } from "./needs.ts";

export async function listContainers(
  needs: EngineNeeds,
  filters: readonly string[],
  call: Call,
): Promise<Init<ContainerSummary>[]> {
  const records = needs.store.containers.list(call, filters);
  return await Promise.all(records.map((record) => summaryOf(needs, record, call)));
}

async function summaryOf(needs: EngineNeeds, record: ContainerRecord, call: Call): Promise<Init<ContainerSummary>> {
  const state = await stateOf(needs, record.id, call);
  return {
    id: record.id,
    image: record.image,
    args: record.spec === null ? [] : (specOf(record).process?.args ?? []),
    createdAt: timestampOf(record.createdAt),
    status: state?.status ?? "none",
    pid: state?.pid ?? 0,
    exitStatus: state?.exitStatus ?? 0,
    exitedAt: timestampOf(state?.exitedAt ?? null),
    runtime: record.runtime.name,
    labels: record.labels,
    outOfMemory: state?.outOfMemory ?? false,
  };
}
