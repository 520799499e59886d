import { type Log, messageOf } from "@berth/base";

/** Owns what runs without anybody awaiting it. */
export interface Background {
  /** Runs to its end; a failure is logged under this sentence. */
  run(sentence: string, work: () => Promise<unknown>): void;
  /** Runs once the time has passed, unless closed before. */
  after(ms: number, work: () => void): void;
  /** Drops what waits for its time, and resolves when what runs has ended. */
  close(): Promise<void>;
}

export function createBackground(log: Log): Background {
  const running = new Set<Promise<void>>();
  const timers = new Set<NodeJS.Timeout>();
  let closed = false;
  return {
    run(sentence, work) {
      const task = (async () => {
        try {
          await work();
        } catch (err) {
          log.error(sentence, { err: messageOf(err) });
        }
      })();
      running.add(task);
      void task.finally(() => running.delete(task));
    },
    after(ms, work) {
      if (closed) return;
      const timer = setTimeout(() => {
        timers.delete(timer);
        work();
      }, ms);
      timers.add(timer);
    },
    async close() {
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      while (running.size > 0) await Promise.all(running);
    },
  };
}
