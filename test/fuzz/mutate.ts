// Small damage to valid input: most of it gets past the first check, which random bytes never do.
import type { Random } from "./random.ts";

const interesting = [0, 1, 0x7f, 0x80, 0xfe, 0xff];

/** One to eight changes: bytes set, cut out, doubled, inserted, swapped, or the end cut off. */
export function mutateBytes(random: Random, input: Uint8Array): Uint8Array {
  let bytes = new Uint8Array(input);
  for (let left = random.int(1, 8); left > 0; left--) {
    const at = random.int(0, Math.max(0, bytes.length - 1));
    const count = random.int(1, 1 + Math.min(64, bytes.length >> 1));
    const head = bytes.subarray(0, at);
    const tail = bytes.subarray(at);
    switch (random.int(0, 6)) {
      case 0:
        if (bytes.length > 0) bytes[at] = random.int(0, 255);
        break;
      case 1:
        if (bytes.length > 0) bytes[at] = random.pick(interesting);
        break;
      case 2:
        if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << random.int(0, 7));
        break;
      case 3:
        bytes = joined(head, bytes.subarray(at + count));
        break;
      case 4:
        bytes = joined(head, bytes.subarray(at, at + count), tail);
        break;
      case 5:
        bytes = joined(head, random.bytes(count), tail);
        break;
      default:
        if (random.chance(0.3)) bytes = new Uint8Array(head);
    }
  }
  return bytes;
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Damage to a text, in its bytes: the result may not be UTF-8 any more. */
export const mutateText = (random: Random, text: string): Uint8Array =>
  mutateBytes(random, new TextEncoder().encode(text));

/** Stands for a value that is nested so deep; it is written as text, as not every engine can make it. */
const deep = (depth: number): string => `@deep ${depth}@`;
const deepText = (depth: number): string => `${'[{"a":'.repeat(depth >> 1)}1${"}]".repeat(depth >> 1)}`;

/** A value of a type that nobody expects there. */
export function wrongValue(random: Random): unknown {
  return random.pick<() => unknown>([
    () => null,
    () => true,
    () => -1,
    () => 1e308,
    () => 0.5,
    () => "",
    () => "x".repeat(random.pick([1, 300, 70_000])),
    () => "\0",
    () => "__proto__",
    () => [],
    () => [null],
    () => ({}),
    () => ({ constructor: 1, __proto__: 2, length: 3 }),
    () => deep(random.pick([3, 100, 2000])),
  ])();
}

/** The value with a few of its parts gone, replaced by others of a wrong type, or doubled. */
export function mutateValue(random: Random, value: unknown): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(value));
  for (let left = random.int(1, 3); left > 0; left--) {
    let parent: unknown = null;
    let key: string | number = "";
    let at: unknown = copy;
    while (typeof at === "object" && at !== null && (parent === null || random.chance(0.75))) {
      const keys = Object.keys(at);
      if (keys.length === 0) break;
      parent = at;
      key = random.pick(keys);
      at = (at as Record<string, unknown>)[key];
    }
    if (parent === null) return wrongValue(random);
    const holder = parent as Record<string, unknown>;
    if (random.chance(0.25)) delete holder[key];
    else if (random.chance(0.1)) holder[`${key}2`] = at;
    else holder[key] = wrongValue(random);
  }
  return copy;
}

/** A JSON document that is nearly the given one, or nearly JSON. */
export function mutateJson(random: Random, value: unknown): Uint8Array {
  const mutated = (JSON.stringify(mutateValue(random, value)) ?? "").replace(/"@deep (\d+)@"/g, (_whole, depth) =>
    deepText(Number(depth)),
  );
  const text = random.chance(0.02) ? `${"[".repeat(100_000)}` : mutated;
  return random.chance(0.2) ? mutateText(random, text) : new TextEncoder().encode(text);
}
