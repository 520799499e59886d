import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const LOOK_EVERY_MS = 2000;
/** More than this above the least that a collection has left is worth one. */
const WORTHWHILE = 24 << 20;
/** Looks between two collections while what is in use stays in use. */
const LONGEST_PAUSE = 32;
/** What may come and go between two looks at a process that does nothing much. */
const STEADY = 1 << 20;

/**
 * Gives back what the start, a burst of work or a greedy peer has left: V8 collects while it allocates, keeps the pages that it has
 * emptied, and an idle berthd allocates nothing; what glibc has been given back stays in its heap.
 */
export function reclaimWhenIdle(): Disposable {
  let gc: NodeJS.GCFunction | null = null;
  const trim = loadTrim();
  // The least, not the last: a collection while peers still held memory must not hide that they let go of it later.
  let floor = memory();
  let before = floor;
  let pause = 1;
  let looksToSkip = 0;
  let isStarting = true;
  const above = (now: Memory) => Math.max(now.used - floor.used, now.kept - floor.kept);
  const timer = setInterval(() => {
    const now = memory();
    const isSteady = Math.abs(now.used - before.used) < STEADY;
    before = now;
    if (!isSteady || (!isStarting && (looksToSkip-- > 0 || above(now) < WORTHWHILE))) return;
    isStarting = false;
    gc ??= loadGc();
    // The flavor that gives V8's own pool of pages back.
    gc({ type: "major", execution: "sync", flavor: "last-resort" });
    // In a turn of its own: each of the two takes some hundredths of a second after a burst.
    setImmediate(giveBack);
  }, LOOK_EVERY_MS);
  const giveBack = () => {
    trim?.();
    before = memory();
    floor = { used: Math.min(floor.used, before.used), kept: Math.min(floor.kept, before.kept) };
    pause = above(before) < WORTHWHILE ? 1 : Math.min(2 * pause, LONGEST_PAUSE);
    looksToSkip = pause - 1;
  };
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * V8's own call for a collection. The flag is set for the making of one context only: with `--expose-gc` from the start V8
 * refuses the compiled code that Node brings along, as a code cache is good for the flags that it was made with, and a start
 * takes 70 ms more.
 */
function loadGc(): NodeJS.GCFunction {
  setFlagsFromString("--expose-gc");
  try {
    return runInNewContext("gc") as NodeJS.GCFunction;
  } finally {
    setFlagsFromString("--no-expose-gc");
  }
}

/** Bytes. */
interface Memory {
  /** Of V8's heap and of buffers. */
  readonly used: number;
  /** Resident, of no file, and not in use by those: what allocators keep. */
  readonly kept: number;
}

function memory(): Memory {
  const { used_heap_size, external_memory } = getHeapStatistics();
  const used = used_heap_size + external_memory;
  const anonymous = /^RssAnon:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return { used, kept: Math.max(0, Number(anonymous) * 1024 - used) };
}

/** Null where berthd runs from its sources: the add-on (c/trim.c) lies beside the bundle. */
function loadTrim(): (() => void) | null {
  const path = fileURLToPath(new URL("./trim.node", import.meta.url));
  if (!existsSync(path)) return null;
  const addOn = { exports: {} };
  process.dlopen(addOn, path);
  return addOn.exports as () => void;
}
