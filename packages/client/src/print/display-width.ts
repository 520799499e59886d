// How many columns a terminal gives a text: two for East Asian and emoji characters, none for those that combine with
// the one before (https://www.unicode.org/reports/tr11/).

const combining = /^[\p{M}\u200b-\u200d\ufeff]$/u;
const emoji = /^\p{Emoji_Presentation}$/u;

/** First and last of the ranges whose East_Asian_Width is W or F, but for emoji. */
const wide: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18d08],
  [0x1aff0, 0x1b2fb],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];

function widthOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (combining.test(character)) return 0;
  return wide.some(([first, last]) => first <= code && code <= last) || emoji.test(character) ? 2 : 1;
}

/** In columns. The text has no control characters. */
export function displayWidth(given: string): number {
  let width = 0;
  for (const character of given) width += widthOf(character);
  return width;
}

/** The text, cut to so many columns with `…` at its end; no character is cut in two. */
export function shortened(given: string, columns: number): string {
  if (displayWidth(given) <= columns) return given;
  let [kept, width] = ["", 0];
  for (const character of given) {
    width += widthOf(character);
    if (width > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}
