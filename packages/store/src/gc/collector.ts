import { setImmediate } from "node:timers/promises";
import type { Log } from "@berth/base";
import type { Collector, Removed } from "../types.ts";
import type { GcSchedule } from "./schedule.ts";
import type { Turns } from "./sweep.ts";
import { CollectionTimes } from "./times.ts";

export interface ScheduledCollector extends AsyncDisposable {
  readonly api: Collector;
  changed(kind: "mutation" | "deletion"): void;
}

/**
 * Collects when `CollectionTimes` says so. `sweep` is one collection, which lets others have their turn where it yields;
 * `emptied` resolves when the files that it removed are gone from the disk.
 */
export function startCollector(
  schedule: GcSchedule,
  log: Log,
  sweep: () => Turns,
  emptied: () => Promise<void>,
): ScheduledCollector {
  const times = new CollectionTimes(schedule, performance.now());
  let closed = false;
  let timer: { handle: NodeJS.Timeout; at: number } | null = null;
  /** One at a time. */
  let isCollecting = false;
  /** The collection that has not begun yet, and who waits for it. */
  let waiting: PromiseWithResolvers<readonly Removed[]> | null = null;
  const running = new Set<Promise<unknown>>();

  /** Sets the timer to what the times say. */
  function plan(): void {
    const { next } = times;
    if (closed || isCollecting || next === null || timer?.at === next) return;
    if (timer !== null) clearTimeout(timer.handle);
    timer = { at: next, handle: setTimeout(collectNow, Math.max(0, next - performance.now())) };
    // Where somebody waits for it the process must not end before.
    if (waiting === null) timer.handle.unref();
  }

  function collectNow(): void {
    timer = null;
    const waiters = waiting;
    waiting = null;
    isCollecting = true;
    const done = collect(waiters).then(() => {
      running.delete(done);
    });
    running.add(done);
  }

  async function collect(waiters: typeof waiting): Promise<void> {
    const removed: Removed[] = [];
    let failure: { readonly err: unknown } | null = null;
    times.began();
    try {
      await sweepInTurns(removed);
    } catch (err) {
      failure = { err };
      times.failed(performance.now());
    }
    isCollecting = false;
    if (waiting !== null) times.trigger(performance.now());
    plan();
    if (failure === null) {
      await emptied();
      waiters?.resolve(removed);
    } else if (waiters === null) log.error("garbage collection failed", { err: failure.err });
    else waiters.reject(failure.err);
  }

  /** What it has taken is what others have waited for it: its turns, not what was done between them. */
  async function sweepInTurns(removed: Removed[]): Promise<void> {
    const turns = sweep();
    let took = 0;
    for (;;) {
      const begun = performance.now();
      const { done, value } = turns.next();
      const ended = performance.now();
      took += ended - begun;
      if (done === true) {
        times.collected(ended - took, ended);
        if (removed.length > 0) log.debug("garbage collected", { count: removed.length, ms: Math.round(took) });
        return;
      }
      removed.push(...value);
      await setImmediate();
      if (closed) {
        turns.return();
        return;
      }
    }
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
