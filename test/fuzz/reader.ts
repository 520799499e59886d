// What turns text or bytes into values, as it is fed. No Node: it runs on the host as well.
import { BerthError } from "@berth/base";
import { mutateBytes, mutateJson } from "./mutate.ts";
import type { Random } from "./random.ts";
import { hostileStrings } from "./random-message.ts";

/** Most processor time for one input of a few kilobytes: more is a way to stop a program that has one thread. */
const SLOW_MS = 1000;

export interface Reader {
  readonly name: string;
  input(random: Random): Uint8Array;
  parse(bytes: Uint8Array, text: string): unknown;
  /** What it may throw besides a BerthError. */
  readonly throws?: readonly (new (
    ...args: never[]
  ) => Error)[];
}

const utf8 = new TextEncoder();

export const nearly = (samples: readonly string[]) => (random: Random) =>
  mutateBytes(random, utf8.encode(random.pick(samples)));
export const nearlyJson = (value: unknown) => (random: Random) => mutateJson(random, value);

/** Processor time that this process has used, in milliseconds. */
export type Spent = () => number;

/** Feeds it once. Throws for an error that is none of its own, and for one input that takes too much. */
export async function feed(reader: Reader, bytes: Uint8Array, spent: Spent): Promise<void> {
  const before = spent();
  const text = new TextDecoder().decode(bytes);
  const shown = () => `${reader.name}: ${JSON.stringify(text.slice(0, 1000))}, ${bytes.length} bytes`;
  try {
    await reader.parse(bytes, text);
  } catch (error) {
    const expected = error instanceof BerthError || reader.throws?.some((type) => error instanceof type);
    if (!expected) throw new Error(`an error that nobody has written: ${error}, of ${shown()}`, { cause: error });
  }
  const took = spent() - before;
  if (took >= SLOW_MS) throw new Error(`${Math.round(took)} ms of processor time for ${shown()}`);
}

/** Feeds one of them with something. */
export function feedOne(readers: readonly Reader[], random: Random, spent: Spent): Promise<void> {
  const reader = random.pick(readers);
  const bytes = random.chance(0.05) ? utf8.encode(random.pick(hostileStrings)) : reader.input(random);
  return feed(reader, bytes, spent);
}
