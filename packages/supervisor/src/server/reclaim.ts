import { getHeapStatistics } from "node:v8";

const LOOK_EVERY_MS = 2000;
/** More than this above what was left after the last collection is worth one. */
const WORTHWHILE = 24 << 20;
/** What may come and go between two looks at a process that does nothing much. */
const STEADY = 1 << 20;

/**
 * Gives back what a burst of work or a greedy peer has left: V8 collects while it allocates, and an idle berthd
 * allocates nothing, so that it would keep its largest size for ever. Without `--expose-gc` it does nothing.
 */
export function reclaimWhenIdle(): Disposable {
  const { gc } = globalThis;
  if (gc === undefined) return { [Symbol.dispose]() {} };
  let floor = inUse();
  let before = floor;
  const timer = setInterval(() => {
    const now = inUse();
    const isSteady = Math.abs(now - before) < STEADY;
    before = now;
    if (!isSteady || now - floor < WORTHWHILE) return;
    gc();
    floor = inUse();
    before = floor;
  }, LOOK_EVERY_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function inUse(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}
