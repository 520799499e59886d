/** When collections run. Names, meaning and defaults are those of containerd's `io.containerd.gc.v1.scheduler`. */
export interface GcSchedule {
  /** Largest share of time that collections may take (0.02 is 2 %; at most 0.5). */
  readonly pauseThreshold: number;
  /** Deletions after which a collection is due at once; 0 for never by count. */
  readonly deletionThreshold: number;
  /** Changes, of which at least one is a deletion, after which a collection is due. */
  readonly mutationThreshold: number;
  /** Milliseconds between a trigger and the collection. */
  readonly scheduleDelayMs: number;
  /** Milliseconds after the start at which the first collection runs. */
  readonly startupDelayMs: number;
}

export const defaultGcSchedule: GcSchedule = {
  pauseThreshold: 0.02,
  deletionThreshold: 0,
  mutationThreshold: 100,
  scheduleDelayMs: 0,
  startupDelayMs: 100,
};
