// What tasks say of themselves: a shim that does not answer, or answers nonsense, makes a state unknown, not an error.
import { checkId, failedPrecondition, type Instant, isNotFound, type Log, parseFilters } from "@berth/base";
import type { ProcessState, Task } from "@berth/runtime";
import type { AnyValue } from "@berth/store";
import type { EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";
import { findTask } from "./find-task.ts";

/** Of the container's first process, or of an exec. */
export async function taskState(deps: EngineDeps, id: string, execId: string, caller: Caller): Promise<ProcessState> {
  return await stateOf(await findTask(deps, id, caller), execId, caller.log);
}

/** The first processes of all containers of the namespace; those whose shim has not been tried yet are unknown. */
export async function listTasks({ runtime }: EngineDeps, caller: Caller): Promise<ProcessState[]> {
  const { tasks, undecided } = await runtime.tasks.list(namespaceOf(caller));
  const states = await Promise.all(tasks.map((task) => stateOf(task, "", caller.log).catch(whereNotFound)));
  return [...states.filter((state) => state !== null), ...undecided.map((id) => unknownState(id))];
}

export interface TaskMetrics {
  readonly id: string;
  readonly at: Instant;
  /** As the shim says it: containerd's cgroup metrics of version 1 or 2, or a runtime's own. */
  readonly data: AnyValue | null;
}

/** What the shims measure, of tasks that match a filter by `id` or `namespace`; without those that do not answer. */
export async function taskMetrics(
  deps: EngineDeps,
  filters: readonly string[],
  caller: Caller,
): Promise<TaskMetrics[]> {
  const wanted = parseFilters(filters);
  const { tasks: all, undecided } = await deps.runtime.tasks.list(namespaceOf(caller));
  for (const container of undecided) caller.log.warn("metrics of a task are unavailable", { container });
  const tasks = all.filter((task) => wanted(fieldOf(task)));
  const metrics = await Promise.all(tasks.map((task) => metricsOf(deps, task, caller.log)));
  return metrics.filter((metric) => metric !== null);
}

async function stateOf(task: Task, execId: string, log: Log): Promise<ProcessState> {
  try {
    return await task.state(execId);
  } catch (err) {
    if (isNotFound(err)) throw err;
    log.with({ container: task.id, exec: execId }).warn("the state of a task is unavailable", { err });
    return unknownState(execId || task.id, task.bundle);
  }
}

function unknownState(id: string, bundle = ""): ProcessState {
  const nothing = { stdin: "", stdout: "", stderr: "", terminal: false, exitStatus: 0, exitedAt: null };
  return { id, pid: 0, status: "unknown", bundle, ...nothing };
}

async function metricsOf({ clock }: EngineDeps, task: Task, log: Log): Promise<TaskMetrics | null> {
  try {
    const data = await task.stats();
    return { at: clock.now(), id: task.id, data };
  } catch (err) {
    if (!isNotFound(err)) log.warn("metrics of a task are unavailable", { container: task.id, err });
    return null;
  }
}

const fieldOf =
  (task: Task) =>
  (path: readonly string[]): string | null =>
    path[0] === "id" ? task.id : path[0] === "namespace" ? task.namespace : null;

function namespaceOf({ namespace }: Caller): string {
  if (namespace === "") throw failedPrecondition("namespace is required: failed precondition");
  return checkId("namespace", namespace);
}

function whereNotFound(error: unknown): null {
  if (isNotFound(error)) return null;
  throw error;
}
