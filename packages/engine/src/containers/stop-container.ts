import { constants } from "node:os";
import { failedPrecondition } from "@berth/base";
import type { Exit, Task } from "@berth/runtime";
import { isSignal, parseSignal } from "../spec/signals.ts";
import type { Caller } from "../types.ts";
import type { EngineDeps } from "./deps.ts";
import { stopSignalLabel } from "./labels.ts";

export interface StopContainer {
  readonly id: string;
  /** A name or number; empty for the container's own, else SIGTERM. */
  readonly signal: string;
  /** Milliseconds from the signal to SIGKILL; 0 for the default. */
  readonly graceMs: number;
}

const DEFAULT_GRACE = 10_000;
const SIGKILL = constants.signals.SIGKILL;

/** Resolves at the exit. failed-precondition where it has no task. */
export async function stopContainer(
  { store, runtime }: EngineDeps,
  { id, signal: asked, graceMs }: StopContainer,
  caller: Caller,
): Promise<Exit> {
  const record = store.containers.get(caller, id);
  const task = await runtime.tasks.find(caller.namespace, id);
  if (task === null) throw failedPrecondition(`container ${JSON.stringify(id)} is not running`);
  // What an image says of it may be nonsense, and is then as if it said nothing (as with Docker).
  const own = record.labels[stopSignalLabel] ?? "";
  const signal = parseSignal(asked || (isSignal(own) ? own : "SIGTERM"));
  return await task.stop({ signal, graceMs: graceMs > 0 ? graceMs : DEFAULT_GRACE }, caller.signal);
}

/** SIGKILL to everything in the task; resolves at its exit. */
export const killTask = (task: Task, stop: AbortSignal): Promise<Exit> =>
  task.stop({ signal: SIGKILL, graceMs: 0 }, stop);
