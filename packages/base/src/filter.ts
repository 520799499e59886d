// containerd's filter grammar: `name==web,labels."io.x/y"~=|^a|`. Commas mean "and", several filters mean "or".
import { messageOf } from "./errors.ts";
import { createFilterScanner, type FilterScanner, type FilterToken, filterSyntaxError } from "./filter-scanner.ts";
import { compilePattern } from "./pattern.ts";
import { unquote } from "./unquote.ts";

/** The value of a field, or null if the object does not have it. */
export type Adaptor = (fieldpath: readonly string[]) => string | null;

/** Whether the object behind the adaptor is wanted. */
export type Matcher = (adaptor: Adaptor) => boolean;

const always: Matcher = () => true;

/** One matcher for filters of which any must match; none, or an empty one, matches all. Throws invalid-argument. */
export function parseFilters(filters: readonly string[]): Matcher {
  if (filters.length === 0) return always;
  const matchers = filters.map(parseFilter);
  return (adaptor) => matchers.some((matches) => matches(adaptor));
}

function parseFilter(text: string): Matcher {
  if (text === "") return always;
  const scanner = createFilterScanner(text);
  const selectors = [parseSelector(scanner)];
  while (scanner.peek() === ",") {
    scanner.next();
    selectors.push(parseSelector(scanner));
  }
  const rest = scanner.peek();
  if (rest !== "") throw filterSyntaxError(text, scanner.at, `unexpected input: ${rest}`);
  return (adaptor) => selectors.every((matches) => matches(adaptor));
}

/** A field, and what is asked of it. With `!=` and `~=` a field that is not there is as good as an empty one. */
function parseSelector(scanner: FilterScanner): Matcher {
  const path = [parseField(scanner)];
  while (scanner.peek() === ".") {
    scanner.next();
    path.push(parseField(scanner));
  }
  if (scanner.peek() === "," || scanner.peek() === "") return (adaptor) => adaptor(path) !== null;
  const operator = scanner.next();
  if (operator.kind === "illegal") throw filterSyntaxError(scanner.text, operator.at, operator.why);
  if (operator.kind !== "operator")
    throw filterSyntaxError(scanner.text, operator.at, 'expected an operator ("=="|"!="|"~=")');
  switch (operator.text) {
    case "==": {
      const wanted = parseValue(scanner, '"');
      return (adaptor) => adaptor(path) === wanted;
    }
    case "!=": {
      const unwanted = parseValue(scanner, '"');
      return (adaptor) => (adaptor(path) ?? "") !== unwanted;
    }
    case "~=": {
      const matches = parsePattern(scanner);
      return (adaptor) => matches(adaptor(path) ?? "");
    }
    default:
      throw filterSyntaxError(scanner.text, operator.at, `unsupported operator "${operator.text}"`);
  }
}

function parseField(scanner: FilterScanner): string {
  const token = scanner.next();
  if (token.kind === "field") return token.text;
  return quotedText(scanner, token, '"', "expected field or quoted");
}

function parseValue(scanner: FilterScanner, quotes: string): string {
  const token = scanner.next();
  if (token.kind === "value" || token.kind === "field") return token.text;
  return quotedText(scanner, token, quotes, "expected value or quoted");
}

function parsePattern(scanner: FilterScanner): (text: string) => boolean {
  const { at } = scanner;
  const source = parseValue(scanner, '"/|');
  try {
    return compilePattern(source);
  } catch (error) {
    // As for containerd, which compiles it at its first use and takes a failure for no match.
    if (error instanceof SyntaxError) return () => false;
    throw filterSyntaxError(scanner.text, at, messageOf(error));
  }
}

function quotedText({ text }: FilterScanner, token: FilterToken, quotes: string, wanted: string): string {
  if (token.kind === "illegal") throw filterSyntaxError(text, token.at, token.why);
  if (token.kind !== "quoted") throw filterSyntaxError(text, token.at, wanted);
  const quote = token.text[0] ?? "";
  if (!quotes.includes(quote)) throw filterSyntaxError(text, token.at, "invalid quote encountered");
  const value = unquote(token.text.slice(1, -1), quote);
  if (value === null) throw filterSyntaxError(text, token.at, "unquoting failed: quote syntax error");
  return value;
}
