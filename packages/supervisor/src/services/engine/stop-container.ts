import { constants } from "node:os";
import { failedPrecondition } from "@berth/base";
import { isSignal, parseSignal } from "@berth/engine";
import { toTimestamp } from "@berth/proto";
import type { StopContainerRequest } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import type { Exit, Task } from "@berth/runtime";
import { stopSignalLabel } from "./create-container.ts";
import type { EngineNeeds } from "./needs.ts";

const DEFAULT_GRACE = 10_000;
const SIGKILL = constants.signals.SIGKILL;

export async function stopContainer({ store, runtime }: EngineNeeds, req: StopContainerRequest, call: Call) {
  const record = store.containers.get(call, req.id);
  const task = await runtime.tasks.find(call.namespace, req.id);
  if (task === null) throw failedPrecondition(`container ${JSON.stringify(req.id)} is not running`);
  // What an image says of it may be nonsense, and is then as if it said nothing (as with Docker).
  const own = record.labels[stopSignalLabel] ?? "";
  const signal = parseSignal(req.signal || (isSignal(own) ? own : "SIGTERM"));
  const graceMs = req.graceMs > 0 ? req.graceMs : DEFAULT_GRACE;
  const exit = await task.stop({ signal, graceMs }, call.signal);
  return { exitStatus: exit.status, exitedAt: toTimestamp(exit.at) };
}

/** SIGKILL to everything in the task; resolves at its exit. */
export const killTask = (task: Task, stop: AbortSignal): Promise<Exit> =>
  task.stop({ signal: SIGKILL, graceMs: 0 }, stop);
