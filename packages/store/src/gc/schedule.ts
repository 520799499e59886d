/** When collections run. Names, meaning and defaults are those of containerd's `io.containerd.gc.v1.scheduler`. */
export interface GcSchedule {
  /** Largest share of time that collections may take (0.02 is 2 %; at most 0.5). */
  readonly pauseThreshold: number;
  /** Deletions after which a collection is due at once; with 0 one follows each deletion at the next look. */
  readonly deletionThreshold: number;
  /** Changes after which a collection is due at the next look; 0 for never by changes alone. */
  readonly mutationThreshold: number;
  /** Milliseconds between a trigger and the collection. */
  readonly scheduleDelayMs: number;
  /** Milliseconds after the start at which the first collection runs; 0 for none at the start. */
  readonly startupDelayMs: number;
}

export const defaultGcSchedule: GcSchedule = {
  pauseThreshold: 0.02,
  deletionThreshold: 0,
  mutationThreshold: 100,
  scheduleDelayMs: 0,
  startupDelayMs: 100,
};
