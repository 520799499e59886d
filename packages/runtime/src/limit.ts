/** Runs functions, at most `count` at a time, in the order in which they came. */
export type Limit = <T>(run: () => Promise<T>) => Promise<T>;

export function createLimit(count: number): Limit {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (run) => {
    if (running >= count) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      // The place passes on without being free in between.
      if (next !== undefined) next();
      else running--;
    }
  };
}
