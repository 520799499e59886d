// What a pull or a push tells while it goes on.
import type { PartProgress, PullProgress } from "@berth/images";
import { orPulse, PULSE } from "./pulse.ts";

/** How far it is, with the parts that have changed since, and in the end what it has come to. */
export async function* follow<T>(
  progress: () => PullProgress,
  outcome: Promise<T>,
): AsyncGenerator<{ readonly progress: PullProgress } | { readonly outcome: T }> {
  outcome.catch(() => {}); // seen below, unless nobody listens any more
  const told = new Map<string, PartProgress>();
  for (;;) {
    const come = await orPulse(outcome);
    const { parts, ...rest } = progress();
    const changed = parts.filter((part) => told.get(part.digest) !== part);
    for (const part of changed) told.set(part.digest, part);
    yield { progress: { ...rest, parts: changed } };
    if (come === PULSE) continue;
    yield { outcome: come };
    return;
  }
}
