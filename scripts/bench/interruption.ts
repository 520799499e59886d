// A signal ends a benchmark at its next step and not at once, so that what it has started is ended and removed.
const stop = new AbortController();

/** Aborted once the benchmark is to end. */
export const interruption: AbortSignal = stop.signal;

export function endOnSignals(): void {
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => stop.abort(new Error(`ended by ${name}`)));
}
