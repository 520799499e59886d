// What a fuzzing target is to those that run it.
import type { Random } from "./random.ts";

export interface Budget {
  readonly random: Random;
  /** Whether there is more to do, after so many inputs. */
  more(inputs: number): boolean;
}

export interface Target {
  readonly name: string;
  /** How many inputs a short run has. */
  readonly inputs: number;
  /** Runs until the budget is used up. Throws for what must not happen; returns how many inputs there were. */
  run(budget: Budget): Promise<number>;
}

/** An amount of work, or a time that counts from the first look at it: a target builds its programs before. */
export type Amount = { readonly inputs: number } | { readonly seconds: number };

function lookAt(amount: Amount): Budget["more"] {
  if ("inputs" in amount) return (inputs) => inputs < amount.inputs;
  let end: number | null = null;
  return () => {
    end ??= performance.now() + amount.seconds * 1000;
    return performance.now() < end;
  };
}

/** Runs a target for some amount; fails if it had no input. An error tells the seed. */
export async function runTarget(target: Target, random: Random, amount: Amount): Promise<number> {
  try {
    const count = await target.run({ random, more: lookAt(amount) });
    if (!(count > 0)) throw new Error("it was given no input");
    return count;
  } catch (error) {
    throw new Error(`${target.name} failed: repeat with node scripts/fuzz.ts --seed ${random.seed} ${target.name}`, {
      cause: error,
    });
  }
}
