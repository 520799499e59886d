import { monotonic } from "./clock.ts";

/** Longest delay, as in Node and browsers (a signed 32-bit number of milliseconds); more is 1 ms there, the maximum here. */
const MAX_DELAY = 2 ** 31 - 1;

/** What setTimeout returns; `unref` lets the loop end though the timer has not fired. */
export class Timer {
  readonly due: number;
  run: (() => void) | null;
  keepsAlive = true;

  constructor(due: number, run: () => void) {
    this.due = due;
    this.run = run;
  }

  ref(): this {
    this.keepsAlive = true;
    return this;
  }

  unref(): this {
    this.keepsAlive = false;
    return this;
  }

  hasRef(): boolean {
    return this.keepsAlive;
  }
}

/** Soonest first; those due at the same time in the order in which they were set. */
const queue: Timer[] = [];

export function addTimer(run: () => void, delay: number): Timer {
  const wait = delay >= 1 ? Math.min(delay, MAX_DELAY) : 1;
  const timer = new Timer(monotonic() + wait, run);
  let low = 0;
  let high = queue.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((queue[middle] as Timer).due <= timer.due) low = middle + 1;
    else high = middle;
  }
  queue.splice(low, 0, timer);
  return timer;
}

export function clearTimer(timer: Timer): void {
  timer.run = null;
  const at = queue.indexOf(timer);
  if (at >= 0) queue.splice(at, 1);
}

/** Runs the first timer that is due; false when none is. */
export function runDueTimer(): boolean {
  const first = queue[0];
  if (first === undefined || first.due > monotonic()) return false;
  queue.shift();
  const run = first.run;
  first.run = null;
  run?.();
  return true;
}

/** Milliseconds until the next timer is due, rounded up so that it is due on waking; -1 when there is none. */
export function untilNextTimer(): number {
  const first = queue[0];
  return first === undefined ? -1 : Math.max(0, Math.ceil(first.due - monotonic()));
}

export const anyTimerKeepsAlive = (): boolean => queue.some((timer) => timer.keepsAlive);
