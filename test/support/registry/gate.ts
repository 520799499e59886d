// Where a server's answer waits for the test that lets it go on.
import { EventEmitter, once } from "node:events";

export interface Gate {
  /** Waits until it may go on; rejects if the signal is aborted before. */
  pass(signal: AbortSignal): Promise<void>;
  /** Resolves when so many wait; 1 unless said otherwise. */
  reached(count?: number): Promise<void>;
  /** Lets one pass: who waits, or who comes next. */
  release(): void;
  /** Lets all pass from now on. */
  open(): void;
}

export function gate(): Gate {
  const events = new EventEmitter().setMaxListeners(0);
  let waiting = 0;
  let permits = 0;
  return {
    async pass(signal) {
      waiting++;
      events.emit("reached");
      try {
        while (permits === 0) await once(events, "released", { signal });
        permits--;
      } finally {
        waiting--;
      }
    },
    async reached(count = 1) {
      while (waiting < count) await once(events, "reached");
    },
    release() {
      permits++;
      events.emit("released");
    },
    open() {
      permits = Number.POSITIVE_INFINITY;
      events.emit("released");
    },
  };
}
