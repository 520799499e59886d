import type { Instant } from "./instant.ts";

/** The wall clock, passed in so that tests can set it. */
export interface Clock {
  now(): Instant;
}

/** Not `Date`: its milliseconds would put what a request has made before the request. */
export const systemClock: Clock = { now: () => Temporal.Now.instant().epochNanoseconds };
