const simple: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
};
const digits = { x: 2, u: 4, U: 8 } as const;

/**
 * Replaces Go's escapes (https://go.dev/ref/spec#String_literals) in what stood between quotes; the quote itself
 * may be escaped. In other quotes than `"`, which are for patterns, an unknown escape stays as it is. Null where
 * an escape is not one. `\x80` to `\xff` and octal ones above `\177` are taken as code points.
 */
export function unquote(text: string, quote: string): string | null {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? "";
    if (c !== "\\") {
      if (c === "\n" && quote === '"') return null;
      out += c;
      continue;
    }
    const kind = text[++i] ?? "";
    const plain = kind === quote ? quote : simple[kind];
    if (plain !== undefined) {
      out += plain;
      continue;
    }
    const length = digits[kind as keyof typeof digits] ?? 0;
    const octal = /^[0-7]{3}/.exec(text.slice(i));
    const hex = text.slice(i + 1, i + 1 + length);
    // Go's own unquoting knows octal escapes up to a byte.
    if (octal && Number.parseInt(octal[0], 8) > 0xff) return null;
    if (octal) {
      out += String.fromCodePoint(Number.parseInt(octal[0], 8));
      i += 2;
    } else if (length > 0 && hex.length === length && /^[0-9a-fA-F]+$/.test(hex)) {
      const point = Number.parseInt(hex, 16);
      if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return null;
      out += String.fromCodePoint(point);
      i += length;
    } else {
      return null;
    }
  }
  return out;
}
