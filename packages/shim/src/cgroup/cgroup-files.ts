// The formats of cgroup files (Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst). Values use all 64 bits.

const UNLIMITED = 0xffff_ffff_ffff_ffffn;

/** Reads a cgroup file by its name in one controller's directory; null where it is missing. */
export type ReadFile = (name: string) => string | null;

/** A number, or `max`; 0 for what is neither, and for an absent file. Negative numbers are 0. */
export function parseNumber(text: string | null): bigint {
  const word = text === null ? "" : text.trim();
  if (word === "max") return UNLIMITED;
  if (word === "" || !isDigits(word)) return 0n;
  return BigInt(word);
}

function isDigits(word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    const code = word.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return true;
}

/** `key value` lines. */
export function parseKeyed(text: string | null): Record<string, bigint> {
  const out: Record<string, bigint> = Object.create(null);
  if (text === null) return out;
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    if (space > 0) out[line.slice(0, space)] = parseNumber(line.slice(space + 1));
  }
  return out;
}

/** Numbers separated by blanks. */
export const parseNumbers = (text: string | null): bigint[] =>
  (text ?? "")
    .split(" ")
    .map((word) => word.trim())
    .filter((word) => word !== "")
    .map(parseNumber);
