import { native } from "berth:native";
import { monotonic } from "./clock.ts";
import { setTimer } from "./timers.ts";

/** Frees what only cycles hold, lets go of units, and gives free pages back to the kernel. Takes about a millisecond. */
export const collectGarbage = (): void => native.collectGarbage();

/**
 * Returns what to call after work that leaves garbage: memory is tidied once it has not been called for `ms`, and at the
 * latest `longest` after the first call. Without it a program keeps half as much again as it needs: the engine collects
 * when its heap has grown by half.
 */
export function tidyAfter(ms: number, longest: number): () => void {
  let first: number | null = null;
  let last = 0;
  const look = () => {
    const now = monotonic();
    const due = Math.min(last + ms, (first ?? now) + longest);
    if (due > now) {
      wait(due - now);
      return;
    }
    first = null;
    collectGarbage();
  };
  const wait = (delay: number) => void setTimer(look, delay).unref();
  return () => {
    last = monotonic();
    if (first !== null) return;
    first = last;
    wait(ms);
  };
}
