// The parser of pattern.ts: RE2's syntax to a tree. Groups need not be told apart: only whether it matches is asked.

export type Test = (point: number) => boolean;

export type Pattern =
  | { readonly kind: "char"; readonly test: Test }
  /** Between two code points, -1 outside of the text. */
  | { readonly kind: "assert"; readonly holds: (before: number, after: number) => boolean }
  | { readonly kind: "sequence"; readonly parts: readonly Pattern[] }
  | { readonly kind: "choice"; readonly parts: readonly Pattern[] }
  | { readonly kind: "repeat"; readonly part: Pattern; readonly min: number; readonly max: number | null };

const MAX_REPEAT = 1000;
const MAX_DEPTH = 200;

const posix: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7f",
  blank: "\\t ",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-/:-@\\[-`{-~",
  space: "\\t\\n\\v\\f\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};
const perl: Readonly<Record<string, string>> = { d: "0-9", s: "\\t\\n\\f\\r ", w: "0-9A-Za-z_" };
const escapes: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

interface Flags {
  /** i: letters of either case. */
  readonly fold: boolean;
  /** m: ^ and $ at every line. */
  readonly lines: boolean;
  /** s: . matches a newline. */
  readonly all: boolean;
  /** U: swaps greedy and lazy, which makes no difference here. */
  readonly ungreedy: boolean;
}

const isWord: Test = (point) =>
  (point >= 48 && point <= 57) || (point >= 65 && point <= 90) || point === 95 || (point >= 97 && point <= 122);
const not =
  (test: Test): Test =>
  (point) =>
    !test(point);
// The built-in engine knows Unicode; a class of one character cannot backtrack.
const byClass = (source: string): Test => {
  const expression = new RegExp(`^[${source}]$`, "u");
  return (point) => expression.test(String.fromCodePoint(point));
};

/** Throws a SyntaxError with a sentence, a RangeError where it is nested too deeply. */
export function parsePattern(source: string): Pattern {
  return new Parser(source).pattern();
}

class Parser {
  readonly #text: readonly string[];
  #at = 0;
  #depth = 0;
  #flags: Flags = { fold: false, lines: false, all: false, ungreedy: false };

  constructor(source: string) {
    this.#text = Array.from(source);
  }

  pattern(): Pattern {
    const found = this.#choice();
    if (this.#at < this.#text.length) throw new SyntaxError("the pattern has a ) without a (");
    return found;
  }

  #choice(): Pattern {
    if (++this.#depth > MAX_DEPTH) throw new RangeError("the pattern is nested too deeply");
    const parts = [this.#sequence()];
    while (this.#eat("|")) parts.push(this.#sequence());
    this.#depth--;
    return parts.length === 1 && parts[0] ? parts[0] : { kind: "choice", parts };
  }

  #sequence(): Pattern {
    const parts: Pattern[] = [];
    for (let c = this.#text[this.#at]; c !== undefined && c !== "|" && c !== ")"; c = this.#text[this.#at]) {
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: "sequence", parts };
  }

  #repeated(atom: Pattern): Pattern {
    const bounds = this.#bounds();
    if (bounds === null) return atom;
    this.#eat("?");
    if (this.#bounds() !== null) throw new SyntaxError("the pattern repeats a repetition: put ( ) around it");
    return { kind: "repeat", part: atom, ...bounds };
  }

  #bounds(): { min: number; max: number | null } | null {
    if (this.#eat("*")) return { min: 0, max: null };
    if (this.#eat("+")) return { min: 1, max: null };
    if (this.#eat("?")) return { min: 0, max: 1 };
    // A brace that is no repetition is a character.
    const found = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.#text.slice(this.#at, this.#at + 12).join(""));
    if (!found) return null;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === "" ? null : Number(found[3]);
    if (min > MAX_REPEAT || (max !== null && (max > MAX_REPEAT || max < min)))
      throw new SyntaxError(
        `the pattern has an invalid repeat count ${found[0]}: at most ${MAX_REPEAT}, smaller one first`,
      );
    this.#at += found[0].length;
    return { min, max };
  }

  #atom(): Pattern {
    const c = this.#text[this.#at++] ?? "";
    const flags = this.#flags;
    switch (c) {
      case "(":
        return this.#group();
      case "[":
        return { kind: "char", test: this.#folded(this.#class()) };
      case ".":
        return { kind: "char", test: flags.all ? () => true : (point) => point !== 10 };
      case "^":
        return { kind: "assert", holds: (before) => before < 0 || (flags.lines && before === 10) };
      case "$":
        return { kind: "assert", holds: (_, after) => after < 0 || (flags.lines && after === 10) };
      case "*":
      case "+":
      case "?":
        throw new SyntaxError(`the pattern has a ${c} with nothing before it to repeat`);
      case "\\":
        return this.#escape();
      default:
        return this.#literal(c.codePointAt(0) ?? 0);
    }
  }

  #literal(point: number): Pattern {
    return { kind: "char", test: this.#folded((other) => other === point) };
  }

  #folded(test: Test): Test {
    if (!this.#flags.fold) return test;
    const cased = (text: string): number => (Array.from(text).length === 1 ? (text.codePointAt(0) ?? -1) : -1);
    return (point) => {
      const text = String.fromCodePoint(point);
      return test(point) || test(cased(text.toLowerCase())) || test(cased(text.toUpperCase()));
    };
  }

  #group(): Pattern {
    const outer = this.#flags;
    if (this.#eat("?")) {
      const rest = this.#text.slice(this.#at, this.#at + 200).join("");
      const name = /^P?<([A-Za-z0-9_]+)>/.exec(rest);
      const flags = /^([imsU]*)(?:-([imsU]+))?([:)])/.exec(rest);
      if (name) {
        this.#at += name[0].length;
      } else if (flags) {
        this.#at += flags[0].length;
        this.#flags = withFlags(withFlags(outer, flags[1] ?? "", true), flags[2] ?? "", false);
        // `(?i)` holds to the end of the group that it stands in.
        if (flags[3] === ")") return { kind: "sequence", parts: [] };
      } else {
        throw new SyntaxError(
          "the pattern has a (? that is not supported: neither look-around nor back-references are",
        );
      }
    }
    const inner = this.#choice();
    if (!this.#eat(")")) throw new SyntaxError("the pattern has a ( without a )");
    this.#flags = outer;
    return inner;
  }

  #escape(): Pattern {
    const c = this.#text[this.#at] ?? "";
    const border = (before: number, after: number): boolean => isWord(before) !== isWord(after);
    const assertions: Readonly<Record<string, (before: number, after: number) => boolean>> = {
      A: (before) => before < 0,
      z: (_, after) => after < 0,
      b: border,
      B: (before, after) => !border(before, after),
    };
    const holds = Object.hasOwn(assertions, c) ? assertions[c] : undefined;
    if (holds) {
      this.#at++;
      return { kind: "assert", holds };
    }
    if (c === "Q") return this.#verbatim();
    const found = this.#escaped();
    return typeof found === "number" ? this.#literal(found) : { kind: "char", test: this.#folded(found) };
  }

  /** `\Q…\E`: everything up to `\E`, or to the end, stands for itself. */
  #verbatim(): Pattern {
    const parts: Pattern[] = [];
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      if (this.#text[this.#at] === "\\" && this.#text[this.#at + 1] === "E") {
        this.#at += 2;
        break;
      }
      parts.push(this.#literal(this.#text[this.#at]?.codePointAt(0) ?? 0));
    }
    return { kind: "sequence", parts };
  }

  /** What follows a backslash, in a class or not: one code point, or a set of them. */
  #escaped(): number | Test {
    const c = this.#text[this.#at++];
    if (c === undefined) throw new SyntaxError("the pattern ends in a backslash");
    const lower = c.toLowerCase();
    const set = Object.hasOwn(perl, lower) ? perl[lower] : undefined;
    if (set !== undefined) return c === lower ? byClass(set) : not(byClass(set));
    if (lower === "p") return this.#property(c === "P");
    const known = Object.hasOwn(escapes, c) ? escapes[c] : undefined;
    if (known !== undefined) return known;
    const rest = this.#text.slice(this.#at, this.#at + 10).join("");
    if (c === "x") {
      const hex = /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/.exec(rest);
      const point = Number.parseInt(hex?.[1] ?? hex?.[2] ?? "", 16);
      if (!hex || point > 0x10ffff)
        throw new SyntaxError("the pattern has a \\x without two hex digits, or some in { }");
      this.#at += hex[0].length;
      return point;
    }
    const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(c + rest);
    if (octal) {
      this.#at += octal[0].length - 1;
      return Number.parseInt(octal[0], 8);
    }
    if (/[A-Za-z0-9]/.test(c)) throw new SyntaxError(`the pattern has an escape that is not known: \\${c}`);
    return c.codePointAt(0) ?? 0;
  }

  #property(negated: boolean): Test {
    const found = /^(?:([A-Z])|\{(\^?)([A-Za-z_]+)\})/.exec(this.#text.slice(this.#at, this.#at + 40).join(""));
    const name = found?.[1] ?? found?.[3] ?? "";
    for (const property of [name, `Script=${name}`]) {
      try {
        const test = byClass(`\\p{${property}}`);
        this.#at += found?.[0].length ?? 0;
        return negated !== (found?.[2] === "^") ? not(test) : test;
      } catch {
        // Not that kind of property: the next may be.
      }
    }
    throw new SyntaxError(`the pattern names a Unicode class that is not known: ${name || "none"}`);
  }

  #class(): Test {
    const negated = this.#eat("^");
    const tests: Test[] = [];
    for (let first = true; ; first = false) {
      const c = this.#text[this.#at];
      if (c === undefined) throw new SyntaxError("the pattern has a [ without a ]");
      if (c === "]" && !first) break;
      const named = /^\[:(\^?)(\w+):\]/.exec(this.#text.slice(this.#at, this.#at + 16).join(""));
      if (named) {
        const set = Object.hasOwn(posix, named[2] ?? "") ? posix[named[2] ?? ""] : undefined;
        if (set === undefined) throw new SyntaxError(`the pattern names a class that is not known: ${named[0]}`);
        this.#at += named[0].length;
        tests.push(named[1] === "^" ? not(byClass(set)) : byClass(set));
        continue;
      }
      const low = this.#classItem();
      if (typeof low !== "number") {
        tests.push(low);
        continue;
      }
      let high = low;
      if (this.#text[this.#at] === "-" && this.#text[this.#at + 1] !== "]" && this.#at + 1 < this.#text.length) {
        this.#at++;
        const end = this.#classItem();
        if (typeof end !== "number" || end < low)
          throw new SyntaxError("the pattern has a range that ends before it begins");
        high = end;
      }
      tests.push((point) => point >= low && point <= high);
    }
    this.#at++;
    const any: Test = (point) => tests.some((test) => test(point));
    return negated ? not(any) : any;
  }

  #classItem(): number | Test {
    const c = this.#text[this.#at++] ?? "";
    return c === "\\" ? this.#escaped() : (c.codePointAt(0) ?? 0);
  }

  #eat(c: string): boolean {
    if (this.#text[this.#at] !== c) return false;
    this.#at++;
    return true;
  }
}

function withFlags(flags: Flags, letters: string, on: boolean): Flags {
  const has = (letter: string, before: boolean): boolean => (letters.includes(letter) ? on : before);
  return {
    fold: has("i", flags.fold),
    lines: has("m", flags.lines),
    all: has("s", flags.all),
    ungreedy: has("U", flags.ungreedy),
  };
}
