import type { GcSchedule } from "./schedule.ts";

/** Milliseconds between two looks as long as no collection has told what one takes. */
const FIRST_INTERVAL = 1000;

/**
 * Decides when collections run, as containerd's scheduler does; knows no timers. Times are milliseconds of one clock.
 *
 * A collection is followed by looks at whether another is needed, so far apart that collections take no more than their
 * share of the time: with a millisecond for one and 2 %, every 49 ms. One is needed once something was deleted, or
 * enough was changed. A trigger, and a number of deletions if there is one to be reached, wait for no look.
 */
export class CollectionTimes {
  readonly #schedule: GcSchedule;
  #interval = FIRST_INTERVAL;
  #took = 0;
  #collections = 0;
  #last: number | null = null;
  /** A time that was set, rather than one of the looks. */
  #planned: number | null;
  #neededSince: number | null = null;
  #deletions = 0;
  #mutations = 0;

  constructor(schedule: GcSchedule, now: number) {
    this.#schedule = schedule;
    this.#planned = schedule.startupDelayMs > 0 ? now + schedule.startupDelayMs : null;
  }

  /** When the next collection runs; null if there is no need of one. */
  get next(): number | null {
    if (this.#planned !== null || this.#last === null || this.#neededSince === null) return this.#planned;
    const looks = Math.max(1, Math.ceil((this.#neededSince - this.#last) / this.#interval));
    return this.#last + looks * this.#interval;
  }

  changed(kind: "mutation" | "deletion", now: number): void {
    this.#mutations += 1;
    if (kind === "deletion") this.#deletions += 1;
    const { deletionThreshold, mutationThreshold } = this.#schedule;
    const isNeeded = this.#deletions > 0 || (mutationThreshold > 0 && this.#mutations >= mutationThreshold);
    if (!isNeeded) return;
    this.#neededSince ??= now;
    const isEnough = deletionThreshold > 0 && this.#deletions >= deletionThreshold;
    // Without a collection at the start there are no looks before the first one.
    const isFirst = this.#planned === null && this.#last === null;
    const isFirstDue =
      (deletionThreshold === 0 && this.#deletions > 0) ||
      (mutationThreshold > 0 && this.#mutations >= mutationThreshold);
    if (isEnough || (isFirst && isFirstDue)) this.trigger(now);
  }

  /** A collection is wanted, after the delay that the schedule has for it. */
  trigger(now: number): void {
    const at = now + this.#schedule.scheduleDelayMs;
    if (this.next === null || this.next > at) this.#planned = at;
  }

  /** What has changed so far is seen to; what changes from now on is not, maybe. */
  began(): void {
    this.#planned = null;
    this.#neededSince = null;
    this.#deletions = 0;
    this.#mutations = 0;
  }

  collected(startedAt: number, endedAt: number): void {
    this.#last = endedAt;
    this.#took += endedAt - startedAt;
    this.#collections += 1;
    const average = this.#took / this.#collections;
    const { pauseThreshold } = this.#schedule;
    if (pauseThreshold > 0) this.#interval = average / pauseThreshold - average;
  }

  /** It is tried again a second later than it would have been looked for. */
  failed(now: number): void {
    this.#last = now;
    this.#planned = now + this.#interval + FIRST_INTERVAL;
  }
}
