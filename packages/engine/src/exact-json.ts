// JSON with all of uint64: masks of seccomp and RLIM_INFINITY are beyond the integers that a double holds.

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** A longer number may be beyond 2^53; most documents have none, and are parsed without looking at each value. */
const LONG_NUMBER = /[0-9]{16}/;

const exactInteger: Reviver = (_key, value, { source = "" }) =>
  typeof value === "number" && !Number.isSafeInteger(value) && /^-?[0-9]+$/.test(source) ? BigInt(source) : value;

/** As JSON.parse, but integers beyond 2^53 become bigints. Throws SyntaxError. */
export const parseExact = (text: string): unknown =>
  LONG_NUMBER.test(text) ? JSON.parse(text, exactInteger as Parameters<typeof JSON.parse>[1]) : JSON.parse(text);

// The library's types do not have it yet (proposal-json-parse-with-source, in V8 since 11.4).
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** As JSON.stringify, but bigints are written as their digits. */
export const stringifyExact = (value: object, indent = 0): string =>
  JSON.stringify(value, (_key, each: unknown) => (typeof each === "bigint" ? rawJSON(String(each)) : each), indent);
