import type { Log } from "@berth/base";
import type { Collector, Removed } from "../types.ts";
import type { GcSchedule } from "./schedule.ts";
import { CollectionTimes } from "./times.ts";

export interface ScheduledCollector extends AsyncDisposable {
  readonly api: Collector;
  changed(kind: "mutation" | "deletion"): void;
}

/**
 * Collects when `CollectionTimes` says so. `sweep` is one collection, synchronous; `emptied` resolves when the files that it
 * removed are gone from the disk.
 */
export function startCollector(
  schedule: GcSchedule,
  log: Log,
  sweep: () => Removed[],
  emptied: () => Promise<void>,
): ScheduledCollector {
  const listeners = new Set<(removed: Removed) => void>();
  const times = new CollectionTimes(schedule, performance.now());
  let closed = false;
  let timer: { handle: NodeJS.Timeout; at: number } | null = null;
  /** The collection that has not begun yet, and who waits for it. */
  let waiting: PromiseWithResolvers<readonly Removed[]> | null = null;
  const running = new Set<Promise<unknown>>();

  /** Sets the timer to what the times say. */
  function plan(): void {
    const { next } = times;
    if (closed || next === null || timer?.at === next) return;
    if (timer !== null) clearTimeout(timer.handle);
    timer = { at: next, handle: setTimeout(collectNow, Math.max(0, next - performance.now())) };
    // Where somebody waits for it the process must not end before.
    if (waiting === null) timer.handle.unref();
  }

  function collectNow(): void {
    timer = null;
    const waiters = waiting;
    waiting = null;
    const startedAt = performance.now();
    let removed: Removed[];
    try {
      removed = sweep();
    } catch (err) {
      times.failed(performance.now());
      plan();
      if (waiters) waiters.reject(err);
      else log.error("garbage collection failed", { err });
      return;
    }
    const endedAt = performance.now();
    times.collected(startedAt, endedAt);
    const ms = Math.round(endedAt - startedAt);
    if (removed.length > 0) log.debug("garbage collected", { count: removed.length, ms });
    for (const one of removed) for (const listener of listeners) listener(one);
    const done = emptied().then(() => {
      running.delete(done);
      waiters?.resolve(removed);
    });
    running.add(done);
  }

  plan();

  return {
    api: {
      collect() {
        if (closed) return Promise.resolve([]);
        waiting ??= Promise.withResolvers();
        const { promise } = waiting;
        times.trigger(performance.now());
        plan();
        timer?.handle.ref();
        return promise;
      },
      onRemoved(listener) {
        listeners.add(listener);
        return { [Symbol.dispose]: () => void listeners.delete(listener) };
      },
    },
    changed(kind) {
      times.changed(kind, performance.now());
      plan();
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      if (timer !== null) clearTimeout(timer.handle);
      waiting?.resolve([]);
      await Promise.all(running);
    },
  };
}
