import { startLoop } from "./loop.ts";
import { addTimer, type Timer } from "./timer-queue.ts";

export { clearTimer, Timer } from "./timer-queue.ts";

/** Calls `run` once, after so many milliseconds. */
export function setTimer(run: () => void, delay: number): Timer {
  startLoop();
  return addTimer(run, delay);
}
