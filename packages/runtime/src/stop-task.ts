// The one way in which a task is made to end: it is asked to, then killed by its shim, then without its shim (bury.ts).
import { isNotFound } from "@berth/base";
import { unlessAborted } from "./deadline.ts";
import type { LiveTask } from "./live-task.ts";
import { isSilence } from "./shim-error.ts";
import type { Exit, StopTask } from "./types.ts";

const SIGKILL = 9;
/** Half of the grace, and no more than this, is the shim's: then the signal is sent without it. */
const MOST_PATIENCE_MS = 5_000;

export interface StopOptions extends StopTask {
  /** Milliseconds from the kill until an exit that its shim does not tell is made up. */
  readonly patienceMs: number;
  /** Ends a container whose shim does not answer, by force. */
  escalate(task: LiveTask): Promise<Exit>;
}

/** Resolves with init's exit. deadline-exceeded where init was killed and does not end: the kernel alone can hold it. */
export async function stopTask(task: LiveTask, options: StopOptions, abort: AbortSignal): Promise<Exit> {
  const { signal, graceMs, patienceMs, escalate } = options;
  // Waits before the signal is sent, so that the exit cannot come unseen.
  const exit = task.wait("", abort);
  exit.catch(() => {}); // seen below, unless the signal itself fails
  const end =
    (signal === SIGKILL ? null : await exitAfter(exit, graceMs, ask(task, signal, graceMs / 2))) ??
    (await exitAfter(exit, patienceMs, kill(task)));
  return end ?? (await unlessAborted(escalate(task), abort));
}

/** The exit, or null where there is none after the milliseconds. Throws what keeps the signal from being sent. */
async function exitAfter(exit: Promise<Exit>, ms: number, sending: Promise<void>): Promise<Exit | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), Math.min(ms, 2 ** 31 - 1));
  });
  try {
    return await Promise.race([exit, late, sending.then(() => Promise.race([exit, late]))]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a shim leaves undone is no failure here: the grace goes on, and then comes the kill. */
async function ask(task: LiveTask, signal: number, patienceMs: number): Promise<void> {
  try {
    await task.kill("", signal, false, Math.min(patienceMs, MOST_PATIENCE_MS));
    await thaw(task);
  } catch (error) {
    if (!isNotFound(error) && !isSilence(error)) throw error;
  }
}

async function kill(task: LiveTask): Promise<void> {
  try {
    await task.kill("", SIGKILL, true);
    await thaw(task).catch((error: unknown) => {
      if (!isSilence(error)) throw error;
    });
  } catch (error) {
    if (!isNotFound(error)) throw error; // it has ended already
  }
}

/** A frozen process gets its signal when it thaws. */
async function thaw(task: LiveTask): Promise<void> {
  if ((await task.state("")).status === "paused") await task.resume();
}
