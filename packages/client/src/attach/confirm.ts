import { isTerminal, O, printError, read, stdin } from "@berth/host";
import { UsageError } from "../cli/usage-error.ts";
import { ownDescription } from "./own-description.ts";
import { readable } from "./readable.ts";

/** Longer than any answer: a terminal passes on a line at once. */
const LINE = 4096;

/** Asks a person at the terminal; only `y` and `yes` are one. Throws UsageError, which names the option that does without. */
export async function confirm(question: string, without: string): Promise<boolean> {
  if (!isTerminal(stdin)) throw new UsageError(`stdin is no terminal to ask at: ${question}? ${without} says yes`);
  printError(`${question}? [y/N] `);
  const from = ownDescription(stdin, O.RDONLY);
  for (;;) {
    const line = read(from, LINE);
    if (line !== null) return /^y(?:es)?\s*$/i.test(new TextDecoder().decode(line));
    await readable(from);
  }
}
