/** Runs what it is given, so many at once, the others in order. */
export function createLimit(atOnce: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      // The place goes to the next without being free in between.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
