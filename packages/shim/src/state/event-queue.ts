// Events that wait for the daemon: in order, bounded, and never without the newest exits.

export interface QueuedEvent {
  readonly topic: string;
  /** When it happened: milliseconds since the epoch, with fraction. */
  readonly at: number;
  readonly typeUrl: string;
  readonly value: Uint8Array;
  /** An exit: dropped last. */
  readonly exit: boolean;
}

export interface EventQueue {
  readonly length: number;
  /** Events given up since the last call because the queue was full. */
  takeDropped(): number;
  push(event: QueuedEvent): void;
  /** The oldest; it stays until `shift`. */
  peek(): QueuedEvent | null;
  /** Takes out the event that `peek` gave (which may have been dropped meanwhile). */
  shift(event: QueuedEvent): void;
}

/** A queue of at most `limit` events. A full one gives up its oldest event that is no exit, else its oldest exit. */
export function createEventQueue(limit: number): EventQueue {
  const events: QueuedEvent[] = [];
  let dropped = 0;
  return {
    get length() {
      return events.length;
    },
    takeDropped() {
      const count = dropped;
      dropped = 0;
      return count;
    },
    push(event) {
      events.push(event);
      if (events.length <= limit) return;
      const victim = events.findIndex((candidate) => !candidate.exit);
      // The newcomer itself goes where everything older is an exit and it is none.
      events.splice(Math.max(victim, 0), 1);
      dropped++;
    },
    peek: () => events[0] ?? null,
    shift(event) {
      if (events[0] === event) events.shift();
    },
  };
}
