// Text that comes from outside (a command line, an image's name) must not move the cursor or recolour a
// terminal: https://cwe.mitre.org/data/definitions/150.html
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes
const control = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The text on one line, with control characters as `?`. */
export const printable = (given: string): string => given.replace(control, "?");

/** The text, cut to so many characters with `…` at its end. */
export const shortened = (given: string, width: number): string =>
  [...given].length <= width ? given : `${[...given].slice(0, width - 1).join("")}…`;

/** Columns as wide as their widest cell, two spaces apart, nothing behind the last. Ends with a newline. */
export function layoutTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows.map((row) => row.map(printable))];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => columns(line[column] ?? ""))));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - columns(cell))))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

const columns = (cell: string): number => [...cell].length;
