import { constants } from "node:os";
import { deadlineExceeded, failedPrecondition, isNotFound } from "@berth/base";
import { toTimestamp } from "@berth/proto";
import type { StopContainerRequest } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import type { Exit, Task } from "@berth/runtime";
import { parseSignal } from "../../spec/signals.ts";
import { settledTasks } from "../settled-tasks.ts";
import { stopSignalLabel } from "./create-container.ts";
import { type EngineNeeds, taskOf } from "./needs.ts";

const DEFAULT_GRACE = 10_000;
/** Milliseconds that a killed task has to be gone. */
const KILL_PATIENCE = 20_000;

export async function stopContainer({ store, runtime }: EngineNeeds, req: StopContainerRequest, call: Call) {
  const record = store.containers.get(call, req.id);
  await settledTasks(runtime).settle(call.namespace, req.id);
  const task = taskOf(runtime, call.namespace, req.id);
  if (task === null) throw failedPrecondition(`container ${JSON.stringify(req.id)} is not running`);
  const signal = parseSignal(req.signal || record.labels[stopSignalLabel] || "SIGTERM");
  const grace = req.graceMs > 0 ? req.graceMs : DEFAULT_GRACE;
  const exit = (await endedBy(task, signal, false, grace, call)) ?? (await killTask(task, call));
  return { exitStatus: exit.status, exitedAt: toTimestamp(exit.at) };
}

/** SIGKILL to everything in the task; resolves at its exit. */
export async function killTask(task: Task, call: Call): Promise<Exit> {
  const exit = await endedBy(task, constants.signals.SIGKILL, true, KILL_PATIENCE, call);
  if (exit === null)
    throw deadlineExceeded(`container ${JSON.stringify(task.id)} was killed and has not exited in ${KILL_PATIENCE} ms`);
  return exit;
}

/** The exit that follows a signal, or null where none has within the milliseconds. */
async function endedBy(task: Task, signal: number, all: boolean, ms: number, call: Call): Promise<Exit | null> {
  const patience = AbortSignal.timeout(Math.min(ms, 2 ** 31 - 1));
  const both = AbortSignal.any([call.signal, patience]);
  // Waits before the signal is sent, so that the exit cannot come unseen.
  const waiting = task.wait("", both).catch((error: unknown) => {
    if (patience.aborted && !call.signal.aborted) return null;
    throw error;
  });
  waiting.catch(() => {}); // reported below, unless the signal itself fails
  try {
    await task.kill("", signal, all);
    // A frozen process gets its signal when it thaws.
    if ((await task.state("")).status === "paused") await task.resume();
  } catch (error) {
    if (!isNotFound(error)) throw error; // it has ended already
  }
  return await waiting;
}
