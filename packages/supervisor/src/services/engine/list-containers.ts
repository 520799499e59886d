import type { Init } from "@berth/proto";
import type { ContainerSummary, ListContainersResponse } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import type { ContainerRecord } from "@berth/store";
import { timestampOf } from "../convert-common.ts";
import { inBlocks, sizeWithLabels } from "../in-blocks.ts";
import { stateOf } from "./container-state.ts";
import { type EngineNeeds, specOf } from "./needs.ts";

/** A summary of more bytes is sent without what has no bound in it. */
const LONGEST = 2 << 20;

/** The containers of a namespace by id, in messages of a size that every wire carries. */
export async function* listContainers(
  needs: EngineNeeds,
  filters: readonly string[],
  call: Call,
): AsyncGenerator<Init<ListContainersResponse>> {
  const records = needs.store.containers.list(call, filters);
  // All at once: shims that do not answer delay the list by one deadline, not by one each.
  const summaries = await Promise.all(records.map((record) => summaryOf(needs, record, call)));
  for (const containers of inBlocks(summaries.map(shortened), sizeOf)) yield { containers };
}

const sizeOf = ({ args = [], labels = {} }: Init<ContainerSummary>): number =>
  args.reduce((bytes, arg) => bytes + Buffer.byteLength(arg) + 8, sizeWithLabels({ labels }));

const shortened = (summary: Init<ContainerSummary>): Init<ContainerSummary> =>
  sizeOf(summary) > LONGEST ? { ...summary, args: [], labels: {}, shortened: true } : summary;

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
