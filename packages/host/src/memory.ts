import { native } from "berth:native";
import { setTimer, type Timer } from "./timers.ts";

/** Frees what only cycles hold, and gives free pages back to the kernel. Takes about a millisecond. */
export const collectGarbage = (): void => native.collectGarbage();

/**
 * Returns what to call after work that leaves garbage: memory is tidied once, `ms` later. Without it a program keeps
 * half as much again as it needs: the engine collects when its heap has grown by half, and the C library gives back
 * only what is free at the end of its own.
 */
export function tidyAfter(ms: number): () => void {
  let pending: Timer | null = null;
  return () => {
    if (pending !== null) return;
    pending = setTimer(() => {
      pending = null;
      collectGarbage();
    }, ms);
    pending.unref();
  };
}
