import { shortened } from "./display-width.ts";
import { printable } from "./table.ts";

const eraseLine = "\r\u001b[K";

/** One line on a terminal that says what is being done, and takes the place of what it said before. */
export class StatusLine {
  readonly #print: (text: string) => void;

  constructor(print: (text: string) => void) {
    this.#print = print;
  }

  show(name: string, state: string): void {
    this.#print(`${eraseLine}${shortened(printable(name), 40)}: ${state}`);
  }

  clear(): void {
    this.#print(eraseLine);
  }
}
