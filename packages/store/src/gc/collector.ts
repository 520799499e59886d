import type { Log } from "@berth/base";
import type { Collector, Removed } from "../types.ts";
import type { GcSchedule } from "./schedule.ts";

export interface ScheduledCollector extends AsyncDisposable {
  readonly api: Collector;
  changed(kind: "mutation" | "deletion"): void;
}

/**
 * Decides when to collect. `sweep` is one collection, synchronous; `emptied` resolves when the files that it
 * removed are gone from the disk.
 */
export function startCollector(
  schedule: GcSchedule,
  log: Log,
  sweep: () => Removed[],
  emptied: () => Promise<void>,
): ScheduledCollector {
  const listeners = new Set<(removed: Removed) => void>();
  let mutations = 0;
  let deletions = 0;
  let closed = false;
  let timer: { handle: NodeJS.Timeout; at: number } | null = null;
  /** The collection that has not begun yet, and who waits for it. */
  let waiting: PromiseWithResolvers<readonly Removed[]> | null = null;
  let notBefore = 0;
  const running = new Set<Promise<unknown>>();

  function plan(delayMs: number): void {
    const at = performance.now() + delayMs;
    if (closed || (timer !== null && timer.at <= at)) return;
    if (timer !== null) clearTimeout(timer.handle);
    timer = { at, handle: setTimeout(collectNow, delayMs) };
    timer.handle.unref();
  }

  function collectNow(): void {
    if (timer !== null) clearTimeout(timer.handle);
    timer = null;
    const waiters = waiting;
    waiting = null;
    mutations = 0;
    deletions = 0;
    const started = performance.now();
    let removed: Removed[];
    try {
      removed = sweep();
    } catch (err) {
      if (waiters) waiters.reject(err);
      else log.error("garbage collection failed", { err });
      return;
    }
    const ms = performance.now() - started;
    // The pause may be at most this share of the time.
    notBefore = performance.now() + ms / schedule.pauseThreshold - ms;
    if (removed.length > 0) log.debug("garbage collected", { count: removed.length, ms: Math.round(ms) });
    for (const one of removed) for (const listener of listeners) listener(one);
    const done = emptied().then(() => {
      running.delete(done);
      waiters?.resolve(removed);
    });
    running.add(done);
  }

  const inPause = (): number => Math.max(schedule.scheduleDelayMs, notBefore - performance.now());
  plan(schedule.startupDelayMs);

  return {
    api: {
      collect() {
        if (closed) return Promise.resolve([]);
        waiting ??= Promise.withResolvers();
        const { promise } = waiting;
        plan(schedule.scheduleDelayMs);
        // Somebody waits for it: the process must not end before.
        timer?.handle.ref();
        return promise;
      },
      onRemoved(listener) {
        listeners.add(listener);
        return { [Symbol.dispose]: () => void listeners.delete(listener) };
      },
    },
    changed(kind) {
      mutations++;
      if (kind === "deletion") deletions++;
      const byDeletions = schedule.deletionThreshold > 0 && deletions >= schedule.deletionThreshold;
      const byMutations = schedule.mutationThreshold > 0 && mutations >= schedule.mutationThreshold && deletions > 0;
      if (byDeletions || byMutations) plan(inPause());
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      if (timer !== null) clearTimeout(timer.handle);
      waiting?.resolve([]);
      await Promise.all(running);
    },
  };
}
