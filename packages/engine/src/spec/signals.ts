import { constants } from "node:os";
import { invalidArgument } from "@berth/base";

const numbers: Readonly<Record<string, number>> = constants.signals;
/** glibc's and musl's both reserve the two or three below (signal(7)); shells count from here. */
const RTMIN = 34;
const RTMAX = 64;

/** The number of a signal given as `SIGTERM`, `term`, `15`, `RTMIN+3` or `RTMAX-2`. */
export function parseSignal(text: string): number {
  const name = text.trim().toUpperCase().replace(/^SIG/, "");
  const known = numbers[`SIG${name}`];
  if (known !== undefined) return known;
  const realtime = /^RT(MIN|MAX)([+-]\d{1,2})?$/.exec(name);
  const number = realtime
    ? (realtime[1] === "MIN" ? RTMIN : RTMAX) + Number(realtime[2] ?? 0)
    : /^\d{1,2}$/.test(name)
      ? Number(name)
      : 0;
  if (number < 1 || number > RTMAX) throw invalidArgument(`signal ${JSON.stringify(text)} is not known: see signal(7)`);
  return number;
}

/** Whether `parseSignal` knows it. */
export function isSignal(text: string): boolean {
  try {
    parseSignal(text);
    return true;
  } catch {
    return false;
  }
}
