import { wasKilledForMemory } from "@berth/runtime";
import type { ExitRecord } from "@berth/store";
import { startTask } from "../tasks/start-task.ts";
import type { Caller, NewContainer, Stdio } from "../types.ts";
import { createContainer } from "./create-container.ts";
import { createTask } from "./create-task.ts";
import type { EngineDeps } from "./deps.ts";

export interface RunContainer extends Stdio {
  readonly container: NewContainer;
  /** Its output goes to the container's log, and not to the caller's stdout and stderr. */
  readonly log: boolean;
  /** Of its terminal, in characters; 0: as the runtime makes it. */
  readonly width: number;
  readonly height: number;
  /** Nobody waits for its end. */
  readonly detach: boolean;
}

/** How far a run has come. */
export type RunStage =
  | { readonly at: "created"; readonly id: string; readonly warnings: readonly string[] }
  | { readonly at: "started"; readonly pid: number }
  | { readonly at: "exited"; readonly exit: ExitRecord };

/**
 * Makes a container with its task, starts it and waits for its end; tells each stage when it is reached. It is not removed:
 * its caller alone knows when all that it has written was read.
 */
export async function* runContainer(deps: EngineDeps, wanted: RunContainer, caller: Caller): AsyncGenerator<RunStage> {
  const { id, warnings } = await createContainer(deps, { ...wanted.container, startFollows: true }, caller);
  yield { at: "created", id, warnings };
  const { task, pid, exiting } = await makeAndStart(deps, id, wanted, caller);
  yield { at: "started", pid };
  if (exiting === null) return;
  const exit = await exiting;
  yield { at: "exited", exit: { ...exit, outOfMemory: wasKilledForMemory(task.ranOutOfMemory, exit.status) } };
}

async function makeAndStart(deps: EngineDeps, id: string, wanted: RunContainer, caller: Caller) {
  const { container, stdin, stdout, stderr, log, width, height, detach } = wanted;
  const { terminal } = container;
  const task = await createTask(deps, { id, stdin, stdout, stderr, terminal, log, startFollows: true }, caller);
  // Asked before the start, so that the end is seen however soon it comes.
  const exiting = detach ? null : task.wait("", caller.signal);
  exiting?.catch(() => {}); // the caller sees it, unless the start fails
  if (terminal && width > 0 && height > 0) await task.resizePty("", width, height);
  return { task, pid: await startTask(deps, id, "", caller), exiting };
}
