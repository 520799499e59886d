import { setTimeout as delay } from "node:timers/promises";

/** Milliseconds between two answers about something that goes on. */
const INTERVAL = 200;

export const PULSE = Symbol("not yet");

/** What the promise comes to, or PULSE after a while. */
export async function orPulse<T>(promise: Promise<T>): Promise<T | typeof PULSE> {
  const timer = new AbortController();
  const pulse = delay(INTERVAL, PULSE, { signal: timer.signal, ref: false });
  pulse.catch(() => {}); // it is only ever ended
  try {
    return await Promise.race([promise, pulse]);
  } finally {
    timer.abort();
  }
}
