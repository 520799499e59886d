// What a fuzzing target is to those that run it.
import type { Random } from "./random.ts";

export interface Budget {
  readonly random: Random;
  /** Whether there is time for more. */
  more(): boolean;
}

export interface Target {
  readonly name: string;
  /** Runs until the budget is used up. Throws for what must not happen; returns how many inputs there were. */
  run(budget: Budget): Promise<number>;
}

/** Runs a target for some seconds. An error tells the seed. */
export async function runTarget(target: Target, random: Random, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  try {
    return await target.run({ random, more: () => performance.now() < end });
  } catch (error) {
    throw new Error(`${target.name} failed: repeat with node scripts/fuzz.ts --seed ${random.seed} ${target.name}`, {
      cause: error,
    });
  }
}
