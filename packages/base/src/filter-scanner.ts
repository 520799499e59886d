import { type BerthError, invalidArgument } from "./errors.ts";

export type FilterToken =
  | {
      readonly kind: "field" | "value" | "operator" | "quoted" | "separator" | "other" | "end";
      readonly at: number;
      readonly text: string;
    }
  | { readonly kind: "illegal"; readonly at: number; readonly why: string };

/** Tokens of a filter. White space before one is passed over; behind a value there may be none, as in containerd. */
export interface FilterScanner {
  readonly text: string;
  readonly at: number;
  /** The next character, white space too; empty at the end. */
  peek(): string;
  next(): FilterToken;
}

const SPACE = /\s*/y;
const FIELD = /[A-Za-z0-9_]+/y;
const OPERATOR = /[=!~]+/y;
// Anything that can be seen, but for comma and space, behind a first character of any kind.
const ANY = /./suy;
const VALUE = /[^\s,\p{C}\p{Z}]+/uy;
const QUOTES = '"/|';
const SIMPLE_ESCAPES = "abfnrtv\\";
const NUMERIC_ESCAPES: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

export function createFilterScanner(text: string): FilterScanner {
  let at = 0;
  /** Behind an operator: what comes is a value, whatever it is made of. */
  let wantsValue = false;
  const take = (what: RegExp): string => {
    what.lastIndex = at;
    const found = what.exec(text)?.[0] ?? "";
    at += found.length;
    return found;
  };

  return {
    text,
    get at() {
      return at;
    },
    peek: () => text[at] ?? "",
    next() {
      take(SPACE);
      const start = at;
      const first = text[at] ?? "";
      if (first === "") return { kind: "end", at: start, text: "" };
      if (QUOTES.includes(first)) {
        const end = endOfQuoted(text, at);
        if (typeof end === "string") return { kind: "illegal", at: start, why: end };
        at = end;
        return { kind: "quoted", at: start, text: text.slice(start, end) };
      }
      if (first === "," || first === ".") {
        at += 1;
        wantsValue = false;
        return { kind: "separator", at: start, text: first };
      }
      const operator = take(OPERATOR);
      if (operator !== "") {
        wantsValue = true;
        return { kind: "operator", at: start, text: operator };
      }
      if (wantsValue) {
        wantsValue = false;
        take(ANY);
        take(VALUE);
        return { kind: "value", at: start, text: text.slice(start, at) };
      }
      const field = take(FIELD);
      if (field !== "") return { kind: "field", at: start, text: field };
      at += 1;
      return { kind: "other", at: start, text: first };
    },
  };
}

/** Where a quoted text ends, its quotes included; or why it does not. */
function endOfQuoted(text: string, start: number): number | string {
  const quote = text[start];
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at];
    if (char === quote) return at + 1;
    if (char === "\n") break;
    if (char !== "\\") continue;
    at += 1;
    const kind = text[at] ?? "";
    if (kind === quote || (kind !== "" && SIMPLE_ESCAPES.includes(kind))) continue;
    if (/[0-7]/.test(kind)) {
      if (!/^[0-7]{3}/.test(text.slice(at, at + 3))) return "illegal numeric escape sequence";
      at += 2;
      continue;
    }
    const digits = NUMERIC_ESCAPES[kind] ?? 0;
    if (digits === 0) return "illegal escape sequence";
    const hex = text.slice(at + 1, at + 1 + digits);
    if (hex.length < digits || !/^[0-9a-fA-F]+$/.test(hex)) return "illegal numeric escape sequence";
    at += digits;
  }
  return "quoted literal not terminated";
}

/** Marks the place in the filter, in containerd's words. */
export function filterSyntaxError(text: string, at: number, why: string): BerthError {
  const [char] = text.slice(at);
  const marked = char === undefined ? text : `${text.slice(0, at)} >|${char}|< ${text.slice(at + char.length)}`;
  return invalidArgument(`filters: parse error: [${marked.slice(0, 300)}]: ${why}`);
}
