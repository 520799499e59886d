import { isNotFound } from "@berth/base";
import type { Init } from "@berth/proto";
import type { ContainerSummary } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import type { ProcessState } from "@berth/runtime";
import type { ContainerRecord } from "@berth/store";
import { timestampOf } from "../convert-common.ts";
import { type EngineNeeds, specOf, taskOf } from "./needs.ts";

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

type ContainerState = Pick<ProcessState, "status" | "pid" | "exitStatus" | "exitedAt">;

/**
 * The state of a container's first process; null if it has no task. Unknown if its shim does not answer, which
 * delays this by one deadline only.
 */
export async function stateOf({ runtime }: EngineNeeds, id: string, call: Call): Promise<ContainerState | null> {
  const isSettled = await runtime.isSettled(call.namespace, id);
  const task = taskOf(runtime, call.namespace, id);
  const unknown = { status: "unknown", pid: task?.pid ?? 0, exitStatus: 0, exitedAt: null } as const;
  if (task === null) return isSettled ? null : unknown;
  try {
    return await task.state("");
  } catch (err) {
    if (isNotFound(err)) return null;
    call.log.warn("the state of a task is unavailable", { container: id, err });
    return unknown;
  }
}
