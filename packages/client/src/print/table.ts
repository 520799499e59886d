import { displayWidth, shortened } from "./display-width.ts";

// Text that comes from outside (a command line, an image's name) must not move the cursor or recolour a
// terminal: https://cwe.mitre.org/data/definitions/150.html
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes
const control = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The text on one line, with control characters as `?`. */
export const printable = (given: string): string => given.replace(control, "?");

const GAP = "  ";
/** No column is made narrower than that, or than its header. */
const NARROWEST = 8;

export interface TableOptions {
  /** Of the terminal, in columns; null: as wide as it gets. */
  readonly width: number | null;
  /** Headers of columns whose cells may be cut, the first choice first. */
  readonly flexible: readonly string[];
}

/** Columns as wide as their widest cell, two spaces apart, nothing behind the last. Ends with a newline. */
export function layoutTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { width, flexible }: TableOptions = { width: null, flexible: [] },
): string {
  const lines = [header, ...rows.map((row) => row.map(printable))];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => displayWidth(line[column] ?? ""))));
  if (width !== null) narrow(widths, header, width, flexible);
  return lines
    .map((line) =>
      line
        .map((cell, column) => {
          const shown = shortened(cell, widths[column] ?? 0);
          return shown + " ".repeat(Math.max(0, (widths[column] ?? 0) - displayWidth(shown)));
        })
        .join(GAP)
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

/** Takes from one flexible column after the other until the line fits; a terminal that is too narrow wraps. */
function narrow(widths: number[], header: readonly string[], width: number, flexible: readonly string[]): void {
  const spare = () => widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1)) - width;
  for (const name of flexible) {
    const column = header.indexOf(name);
    const is = widths[column];
    if (is === undefined || spare() <= 0) continue;
    widths[column] = Math.max(Math.min(is, Math.max(NARROWEST, name.length)), is - spare());
  }
}
