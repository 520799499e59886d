import { getHeapStatistics } from "node:v8";

const LOOK_EVERY_MS = 2000;
/** More than this above the least that a collection has left is worth one. */
const WORTHWHILE = 24 << 20;
/** Looks between two collections while what is in use stays in use. */
const LONGEST_PAUSE = 16;
/** What may come and go between two looks at a process that does nothing much. */
const STEADY = 1 << 20;

/**
 * Gives back what a burst of work or a greedy peer has left: V8 collects while it allocates, and an idle berthd
 * allocates nothing, so that it would keep its largest size for ever. Without `--expose-gc` it does nothing.
 */
export function reclaimWhenIdle(): Disposable {
  const { gc } = globalThis;
  if (gc === undefined) return { [Symbol.dispose]() {} };
  // The least, not the last: a collection while peers still held memory must not hide that they let go of it later.
  let floor = inUse();
  let before = floor;
  let pause = 1;
  let looksToSkip = 0;
  const timer = setInterval(() => {
    const now = inUse();
    const isSteady = Math.abs(now - before) < STEADY;
    before = now;
    if (looksToSkip-- > 0 || !isSteady || now - floor < WORTHWHILE) return;
    gc();
    before = inUse();
    floor = Math.min(floor, before);
    pause = before - floor < WORTHWHILE ? 1 : Math.min(2 * pause, LONGEST_PAUSE);
    looksToSkip = pause - 1;
  }, LOOK_EVERY_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function inUse(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}
