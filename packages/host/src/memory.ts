import { native } from "berth:native";
import { setTimer } from "./timers.ts";

/** Frees what only cycles hold, lets go of units, and gives free pages back to the kernel. Takes about a millisecond. */
export const collectGarbage = (): void => native.collectGarbage(true);

/**
 * Returns what to call after work that leaves garbage: memory is tidied every `ms` while it is called, and units are let
 * go of once it has not been called for `ms`. Without it a program keeps half as much again as it needs: the engine
 * collects when its heap has grown by half.
 */
export function tidyAfter(ms: number): () => void {
  let waiting = false;
  let called = false;
  const look = () => {
    const idle = !called;
    called = false;
    native.collectGarbage(idle);
    if (idle) waiting = false;
    else wait();
  };
  const wait = () => void setTimer(look, ms).unref();
  return () => {
    called = waiting; // the first call is what is waited after
    if (waiting) return;
    waiting = true;
    wait();
  };
}
