// Messages with random fields of the right types, made from the tables that the codec works with.
import { Kind, type MessageType } from "@berth/proto";
import type { Random } from "./random.ts";

/** Values for a field of the message itself, by its name; undefined leaves the choice to its type. */
export type Hints = (field: string, random: Random) => unknown;

const STRIDE = 4;

export const hostileStrings: readonly string[] = [
  "",
  "a",
  "..",
  "../../x",
  "a/b",
  "-flag",
  "--help",
  "a\0b",
  "a\nb",
  "%zz",
  "☃ snow",
  "\ud83d\ude00",
  "__proto__",
  "constructor",
  "toString",
  "x".repeat(77),
  "x".repeat(300),
  "y".repeat(70_000),
];

const int32s = [0, 1, -1, 0x7fffffff, -0x80000000];
const uint32s = [0, 1, 9, 15, 64, 65, 0xffff, 0x10000, 0x7fffffff, 0xffffffff];
const int64s = [0, 1, -1, 1e9, 2 ** 53, -(2 ** 53), 2 ** 62];
const uint64s = [0n, 1n, 1n << 53n, (1n << 64n) - 1n];

/** Fields are left out half of the time. */
export function randomMessage(random: Random, type: MessageType<object>, hints: Hints, depth = 0): object {
  const out: Record<string, unknown> = {};
  const { fields } = type;
  for (let i = 0; i < fields.length; i += STRIDE) {
    const name = fields[i] as string;
    const kind = fields[i + 2] as number;
    const ref = fields[i + 3] as MessageType<object> | null;
    const hint = depth === 0 ? hints(name, random) : undefined;
    if (hint !== undefined) {
      out[name] = hint;
      continue;
    }
    if (random.chance(0.4) || depth > 4) continue;
    const scalar = (of: number) => randomScalar(random, of, ref, hints, depth);
    if (kind & Kind.repeated) out[name] = Array.from({ length: random.int(0, 3) }, () => scalar(kind - Kind.repeated));
    else if (kind & Kind.map) {
      const entries = Array.from({ length: random.int(0, 3) }, () => [
        random.pick(hostileStrings),
        scalar(kind - Kind.map),
      ]);
      out[name] = Object.fromEntries(entries);
    } else out[name] = scalar(kind);
  }
  return out;
}

function randomScalar(
  random: Random,
  kind: number,
  ref: MessageType<object> | null,
  hints: Hints,
  depth: number,
): unknown {
  switch (kind) {
    case Kind.bool:
      return random.chance(0.5);
    case Kind.int32:
      return random.pick(int32s);
    case Kind.int64:
      return random.pick(int64s);
    case Kind.uint32:
      return random.pick(uint32s);
    case Kind.uint64:
      return random.pick(uint64s);
    case Kind.double:
      return random.pick([0, 0.5, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e308]);
    case Kind.string:
      return random.pick(hostileStrings);
    case Kind.bytes:
      return random.bytes(random.pick([0, 1, 16, 300]));
    default:
      return randomMessage(random, ref as MessageType<object>, hints, depth + 1);
  }
}
