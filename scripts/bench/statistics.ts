// Medians with their spread, and ratios of what was measured side by side.
import { setTimeout as sleep } from "node:timers/promises";
import { interruption } from "./interruption.ts";

export interface Sample {
  readonly median: number;
  /** First and third quartile: the middle half of the values. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

const at = (sorted: readonly number[], fraction: number): number => {
  const position = fraction * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
};

export function sample(values: readonly number[]): Sample {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: at(sorted, 0.5), low: at(sorted, 0.25), high: at(sorted, 0.75), count: sorted.length };
}

/** The ratio within each round, ours to theirs: what drifts over minutes cancels out. */
export const ratios = (ours: readonly number[], theirs: readonly number[]): Sample =>
  sample(ours.map((value, index) => value / (theirs[index] ?? Number.NaN)));

const digits = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

export const format = ({ median, low, high, count }: Sample): string =>
  count < 2 ? digits(median) : `${digits(median)} [${digits(low)}–${digits(high)}]`;

/** The value that one in a hundred is above. */
export const p99 = (values: readonly number[]): number =>
  at(
    [...values].sort((a, b) => a - b),
    0.99,
  );

/**
 * Takes one value of each contender in turn, `rounds` times, after one round that is not counted. Each round another one
 * begins, so that none is always the one behind the same other. Before each value `pauseMs` pass.
 */
export async function interleave<K extends string>(
  rounds: number,
  contenders: Readonly<Record<K, () => Promise<number>>>,
  pauseMs = 0,
): Promise<Record<K, number[]>> {
  const names = Object.keys(contenders) as K[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round <= rounds; round++) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      interruption.throwIfAborted();
      if (pauseMs > 0) await sleep(pauseMs);
      const value = await contenders[name]();
      if (round > 0) values[name].push(value);
    }
  }
  return values;
}
