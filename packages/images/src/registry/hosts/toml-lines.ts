// Where keys stand in a TOML document: the parser gives values without positions. All spellings of a key are known: bare,
// quoted, dotted, in the header of a table, in an inline table.
import { parse } from "smol-toml";
import type { Place } from "./place.ts";

const blank = /(?:[ \t\r\n]|#[^\n]*)*/y;
const string = /"""(?:\\[\s\S]|[^\\])*?""""{0,2}|'''[\s\S]*?''''{0,2}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'/y;
const bare = /[A-Za-z0-9_-]+/y;
const scalar = /[^,\]}\n#]+/y;
const header = /\[\[?/y;
const headerEnd = /\]\]?/y;
const dot = /\./y;
const equals = /=/y;
const comma = /,/y;
const listStart = /\[/y;
const listEnd = /\]/y;
const tableStart = /\{/y;
const tableEnd = /\}/y;

/** Keys of deeper tables are not remembered. `host."https://mirror.example".header.x-name` has four parts. */
const DEEPEST = 4;

/** Lines of the first mention of each path, in a text that the parser has taken. */
export function tomlLines(source: string): Place["lineOf"] {
  const lines = new Map<string, number>();
  let at = 0;
  let line = 1;
  let counted = 0;

  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const [found = ""] = pattern.exec(source) ?? [];
    at += found.length;
    return found;
  };

  /** Mentions come in the order of the text. */
  const mention = (path: readonly string[], start: number): void => {
    for (; counted < start; counted++) if (source[counted] === "\n") line++;
    for (let depth = 1; depth <= Math.min(path.length, DEEPEST); depth++) {
      const key = JSON.stringify(path.slice(0, depth));
      if (!lines.has(key)) lines.set(key, line);
    }
  };

  const key = (): string[] => {
    const parts: string[] = [];
    do {
      take(blank);
      parts.push(unquoted(take(string) || take(bare)));
      take(blank);
    } while (take(dot) !== "");
    return parts;
  };

  /** Of what is in a list null, which is not remembered. */
  const entry = (prefix: readonly string[] | null): void => {
    const start = at;
    const path = prefix === null ? null : [...prefix, ...key()].slice(0, DEEPEST);
    if (path === null) key();
    else mention(path, start);
    take(blank);
    take(equals);
    value(path);
  };

  const each = (end: RegExp, item: () => void): void => {
    for (take(blank); at < source.length && take(end) === ""; take(blank)) {
      const before = at;
      item();
      take(blank);
      take(comma);
      if (at === before) at++;
    }
  };

  const value = (path: readonly string[] | null): void => {
    take(blank);
    if (take(listStart) !== "") each(listEnd, () => value(null));
    else if (take(tableStart) !== "") each(tableEnd, () => entry(path));
    else if (take(string) === "") take(scalar);
  };

  let section: readonly string[] = [];
  for (take(blank); at < source.length; take(blank)) {
    const start = at;
    if (take(header) !== "") {
      section = key().slice(0, DEEPEST);
      mention(section, start);
      take(headerEnd);
    } else entry(section);
    if (at === start) at++;
  }
  return (path) => lines.get(JSON.stringify(path)) ?? 0;
}

function unquoted(key: string): string {
  if (!/^["']/.test(key)) return key;
  if (!key.startsWith('"') || !key.includes("\\")) return key.slice(1, -1);
  return String(parse(`key = ${key}`).key);
}
