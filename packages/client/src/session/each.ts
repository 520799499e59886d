import { exitCodes } from "../cli/exit-code.ts";
import { UsageError } from "../cli/usage-error.ts";
import { sentenceOf } from "../print/sentence.ts";
import type { Session } from "./session.ts";

/**
 * Does the same with several names at once and prints the answers in the order of the names: what `act`
 * resolves to on stdout, or by `tell`, an error as a sentence on stderr. Resolves to the exit code: 0, or 125 where one failed.
 */
export async function forEachName(
  session: Session,
  names: readonly string[],
  act: (name: string) => Promise<string | null>,
  tell: (line: string) => void = (line) => session.print(`${line}\n`),
): Promise<number> {
  const outcomes = names.map((name) => act(name).then(succeeded, failed));
  let code: number = exitCodes.ok;
  for (const outcome of outcomes) {
    const { line, error } = await outcome;
    if (line !== null) tell(line);
    if (error === null) continue;
    session.printError(`berth: ${sentenceOf(error)}\n`);
    code = exitCodes.berth;
  }
  return code;
}

const succeeded = (line: string | null): { line: string | null; error: unknown } => ({ line, error: null });
const failed = (error: unknown): { line: string | null; error: unknown } => ({ line: null, error: error ?? "failed" });

/** Throws UsageError unless there is at least one name. */
export function expectNames(names: readonly string[], what: string): void {
  if (names.length === 0) throw new UsageError(`${what} is missing`);
}

/** Throws UsageError unless there is nothing. */
export function expectNothing(rest: readonly string[]): void {
  if (rest.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(rest[0])}`);
}
