// Waiting for what tells nobody, as other processes' doings do. Bounded by looks: on a busy machine each of them takes
// longer too, so that only what never happens fails.
import { setTimeout as delay } from "node:timers/promises";

/** Apart, so that looking costs little. */
const BETWEEN_MS = 10;
/** Far more than anything takes: some five minutes with nothing else to do. */
const LOOKS = 30_000;

export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string | (() => string) = String(holds),
): Promise<void> {
  for (let look = 0; !(await holds()); look++) {
    if (look === LOOKS) throw new Error(`never so: ${typeof what === "string" ? what : what()}`);
    await delay(BETWEEN_MS);
  }
}
