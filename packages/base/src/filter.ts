// containerd's filter grammar: `name==web,labels."io.x/y"~=|^a|`. Commas mean "and", several filters mean "or".
import { invalidArgument, messageOf } from "./errors.ts";
import { compilePattern } from "./pattern.ts";
import { unquote } from "./unquote.ts";

/** The value of a field, or null where the object has none. */
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
  const selectors = new Parser(text).filter();
  return (adaptor) => selectors.every((matches) => matches(adaptor));
}

const FIELD = /[A-Za-z0-9_]+/y;
const SPACE = /\s*/y;
const OPERATOR = /[=!~]+/y;
// Anything that can be seen, but for comma and space.
const VALUE = /[^\s,\p{C}\p{Z}]+/uy;

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  filter(): Matcher[] {
    const selectors = [this.#selector()];
    while (this.#peek() === ",") {
      this.#at++;
      selectors.push(this.#selector());
    }
    if (this.#at < this.#text.length) this.#fail("expected a comma or the end");
    return selectors;
  }

  #selector(): Matcher {
    const path = [this.#field()];
    while (this.#peek() === ".") {
      this.#at++;
      path.push(this.#field());
    }
    this.#peek();
    const operator = this.#take(OPERATOR);
    switch (operator) {
      case null:
        return (adaptor) => adaptor(path) !== null;
      case "==": {
        const wanted = this.#value('"');
        return (adaptor) => adaptor(path) === wanted;
      }
      case "!=": {
        const unwanted = this.#value('"');
        return (adaptor) => adaptor(path) !== unwanted;
      }
      case "~=": {
        const matches = this.#pattern();
        return (adaptor) => {
          const value = adaptor(path);
          return value !== null && matches(value);
        };
      }
      default:
        return this.#fail(`unsupported operator "${operator}"`);
    }
  }

  #field(): string {
    if (this.#peek() === '"') return this.#quoted();
    return this.#take(FIELD) ?? this.#fail("expected a field: letters, digits and _, or a quoted one");
  }

  /** What follows an operator; only some kinds of quotes are for it. */
  #value(quotes: string): string {
    const next = this.#peek();
    if (next !== "" && '"/|'.includes(next))
      return quotes.includes(next) ? this.#quoted() : this.#fail(`quotes of ${next} are for patterns only, use "`);
    return this.#take(VALUE) ?? this.#fail("expected a value or a quoted one");
  }

  #pattern(): (text: string) => boolean {
    const source = this.#value('"/|');
    try {
      return compilePattern(source);
    } catch (error) {
      // As for containerd, which compiles it at its first use and takes a failure for no match.
      if (error instanceof SyntaxError) return () => false;
      return this.#fail(messageOf(error));
    }
  }

  /** The text in quotes of any kind; the cursor is on the first one. */
  #quoted(): string {
    const quote = this.#text[this.#at] ?? "";
    let end = this.#at + 1;
    while (end < this.#text.length && this.#text[end] !== quote) end += this.#text[end] === "\\" ? 2 : 1;
    if (end >= this.#text.length) this.#fail("a quote is not closed");
    const inner = this.#text.slice(this.#at + 1, end);
    const value = unquote(inner, quote);
    if (value === null) this.#fail("a quoted text has an escape that is not known");
    this.#at = end + 1;
    return value ?? "";
  }

  /** The next character after white space; empty at the end. */
  #peek(): string {
    this.#take(SPACE);
    return this.#text[this.#at] ?? "";
  }

  #take(what: RegExp): string | null {
    what.lastIndex = this.#at;
    const found = what.exec(this.#text);
    if (found === null) return null;
    this.#at += found[0].length;
    return found[0];
  }

  #fail(why: string): never {
    const marked = `${this.#text.slice(0, this.#at)} >|${this.#text.slice(this.#at)}|<`;
    throw invalidArgument(`filters: parse error: [${marked.slice(0, 300)}]: ${why}`);
  }
}
