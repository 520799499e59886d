import { isNotFound } from "@berth/base";
import type { Init } from "@berth/proto";
import type { ContainerSummary } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import type { ProcessState } from "@berth/runtime";
import type { ContainerRecord } from "@berth/store";
import { timestampOf } from "../convert-common.ts";
import { type EngineNeeds, specOf, taskOf } from "./needs.ts";

/** Milliseconds that one shim has for its answer, so that a stuck one does not hold up the list. */
const PATIENCE = 2_000;

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
  };
}

/** The state of a container's first process; null where it has no task. */
export async function stateOf(
  { runtime }: EngineNeeds,
  id: string,
  call: Call,
): Promise<Pick<ProcessState, "status" | "pid" | "exitStatus" | "exitedAt"> | null> {
  const patience = AbortSignal.timeout(PATIENCE);
  const late = new Promise<void>((resolve) => patience.addEventListener("abort", () => resolve(), { once: true }));
  await Promise.race([runtime.settled(call.namespace, id), late]);
  const task = taskOf(runtime, call.namespace, id);
  if (task === null) return null;
  try {
    return await task.state("", patience);
  } catch (err) {
    if (isNotFound(err)) return null;
    call.log.warn("state of a task is not to be had", { container: id, err });
    return { status: "unknown", pid: task.pid, exitStatus: 0, exitedAt: null };
  }
}
