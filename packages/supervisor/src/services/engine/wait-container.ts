import { failedPrecondition, isNotFound } from "@berth/base";
import { toTimestamp } from "@berth/proto";
import type { WaitContainerRequest } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import { wasKilledForMemory } from "@berth/runtime";
import { timestampOf } from "../convert-common.ts";
import type { EngineNeeds } from "./needs.ts";

export async function waitContainer({ store, runtime }: EngineNeeds, { id }: WaitContainerRequest, call: Call) {
  store.containers.get(call, id);
  const task = await runtime.tasks.find(call.namespace, id);
  if (task !== null) {
    const exit = await task.wait("", call.signal).catch((error: unknown) => {
      // It was deleted meanwhile.
      if (!isNotFound(error)) throw error;
      return null;
    });
    if (exit !== null) {
      const outOfMemory = wasKilledForMemory(task.ranOutOfMemory, exit.status);
      return { exitStatus: exit.status, exitedAt: toTimestamp(exit.at), outOfMemory };
    }
  }
  const last = store.exits.get(call, id);
  if (last === null) throw failedPrecondition(`container ${JSON.stringify(id)} was never started: start it first`);
  const { status: exitStatus, at, outOfMemory } = last;
  return { exitStatus, exitedAt: timestampOf(at === 0n ? null : at), outOfMemory };
}
