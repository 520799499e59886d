/** Of jobs that a shim's `start` takes until it has forked. */
const JOBS = 50;

/** Runs in the shim itself: before it forks it must not have begun to wait for events. */
export async function afterFork(work: () => void): Promise<void> {
  for (let count = 0; count < JOBS; count++) await null;
  work();
}
