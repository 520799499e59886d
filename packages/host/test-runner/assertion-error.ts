import { show } from "./show.ts";

export interface Failure {
  message?: string | Error | undefined;
  actual?: unknown;
  expected?: unknown;
  operator: string;
}

export class AssertionError extends Error {
  override name = "AssertionError";
  readonly code = "ERR_ASSERTION";
  readonly actual: unknown;
  readonly expected: unknown;
  readonly operator: string;

  constructor({ message, actual, expected, operator }: Failure) {
    super(String(message ?? `${show(actual)} ${operator} ${show(expected)}`));
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
  }
}

/** Throws: the message itself where it is an error, as Node does. */
export function failWith(failure: Failure): never {
  if (failure.message instanceof Error) throw failure.message;
  throw new AssertionError(failure);
}
