// Where a value of a configuration stands, and the sentences about it: file, line, key, and what is wanted.
import { type BerthError, invalidArgument } from "@berth/base";
import type { Source } from "../types.ts";

export interface Place {
  /** Path of a file, or the name of a flag or a variable. */
  readonly file: string;
  /** `["host", "https://mirror.example", "ca"]`; empty for the whole. */
  readonly path: readonly string[];
  /** Line, from 1, where a path is mentioned first; 0 if it is unknown. */
  readonly lineOf: (path: readonly string[]) => number;
}

export const below = (place: Place, ...keys: readonly string[]): Place => ({
  ...place,
  path: [...place.path, ...keys],
});

export const sourceOf = ({ file, path, lineOf }: Place): Source => ({ file, line: lineOf(path) });

/** `/etc/…/hosts.toml, line 3: host."https://mirror.example".ca ` and the rest. */
export function sentence(place: Place, rest: string): string {
  const { file, line } = sourceOf(place);
  const where = line === 0 ? file : `${file}, line ${line}`;
  return place.path.length === 0 ? `${where} ${rest}` : `${where}: ${keyOf(place.path)} ${rest}`;
}

export const wrong = (place: Place, rest: string): BerthError => invalidArgument(sentence(place, rest));

/** Not for secrets: the value is part of the sentence. */
export const mustBe = (place: Place, wanted: string, value: unknown): BerthError =>
  wrong(place, `must be ${wanted}, and is ${shown(value)}`);

const LONGEST_SHOWN = 200;

/** A value for a sentence: short, and without the user and password of a URL. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(withoutUser(value).slice(0, LONGEST_SHOWN));
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a date";
  return typeof value === "object" ? "a table" : String(value);
}

const keyOf = (path: readonly string[]): string =>
  path
    .map((part) => withoutUser(part).slice(0, LONGEST_SHOWN))
    .map((part) => (/^[A-Za-z0-9_-]+$/.test(part) ? part : JSON.stringify(part)))
    .join(".");

/** A bad URL may have its password anywhere before an @. */
const withoutUser = (text: string): string => text.replace(/^([a-z]+:\/\/)?.*@/is, "$1…@");
