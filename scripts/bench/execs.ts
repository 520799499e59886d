// What an exec takes through each of two shims, and what the runtime alone takes for it.
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Launcher } from "./launcher.ts";
import type { Pair, ShimPair, Who } from "./pair.ts";
import type { Place } from "./place.ts";
import { interleave } from "./statistics.ts";

/**
 * An exec into a machine at rest is not one of a row of them: it waits for what the kernel does late, as for the lock that
 * each move into a cgroup takes (cgroup_threadgroup_rwsem), which is cheap only for some milliseconds after its last use.
 */
const pauses = { isolated: 50, "back to back": 0 } as const;
export type Rhythm = keyof typeof pauses;
export const rhythms = Object.keys(pauses) as Rhythm[];

/** Milliseconds; `bare` is the runtime's own exec into the same container. */
export type ExecTimes = Record<Who | "bare", number[]>;

export interface ExecOptions {
  readonly pair: ShimPair;
  readonly launcher: Launcher;
  /** Running. */
  readonly containers: Pair<string>;
  readonly rounds: number;
}

export async function measureExecs({ pair, launcher, containers, rounds }: ExecOptions) {
  const bare = pair.bareExec(containers.ours);
  const rhythm = (name: Rhythm): Promise<ExecTimes> =>
    interleave(
      rounds,
      {
        ours: () => pair.exec(containers.ours),
        theirs: () => pair.exec(containers.theirs),
        bare: () => launcher.time(...bare),
      },
      pauses[name],
    );
  return { isolated: await rhythm("isolated"), "back to back": await rhythm("back to back") };
}

export interface LoadOptions {
  readonly pair: ShimPair;
  readonly place: Place;
  readonly containers: Pair<string>;
  /** Blocks of so many execs, taking turns. */
  readonly execs: number;
  readonly rounds: number;
}

const AT_ONCE = 4;
/** For what is put off until a shim is at rest: it counts as processor time. */
const REST_MS = 700;

/** Many at once. */
export async function measureLoad({ pair, place, containers, execs, rounds }: LoadOptions) {
  const processorMs: Pair<number[]> = { ours: [], theirs: [] };
  const block = (who: Who) => async (): Promise<number> => {
    const [begun, spent] = [performance.now(), place.processorMs()];
    const lanes = Array.from({ length: AT_ONCE }, async (_, lane) => {
      for (let at = lane; at < execs; at += AT_ONCE) await pair.exec(containers[who]);
    });
    await Promise.all(lanes);
    const seconds = (performance.now() - begun) / 1000;
    await sleep(REST_MS);
    processorMs[who].push((place.processorMs() - spent) / execs);
    return execs / seconds / cpus().length;
  };
  const perSecondAndCore = await interleave(rounds, { ours: block("ours"), theirs: block("theirs") });
  for (const values of Object.values(processorMs)) values.shift(); // the round that is not counted
  return { perSecondAndCore, processorMs };
}
