// Stands in for node:assert/strict inside the host: the part that our tests use.
import { AssertionError, failWith } from "./assertion-error.ts";
import { deepEqual as isDeepEqual } from "./deep-equal.ts";
import { show } from "./show.ts";

type Message = string | Error | undefined;
type Expected = RegExp | ((error: unknown) => boolean) | (new (...args: never[]) => unknown) | object;

export function ok(value: unknown, message?: Message): asserts value {
  if (!value) failWith({ message, actual: value, expected: true, operator: "is not" });
}

export function equal(actual: unknown, expected: unknown, message?: Message): void {
  if (!Object.is(actual, expected)) failWith({ message, actual, expected, operator: "is not" });
}

export function notEqual(actual: unknown, expected: unknown, message?: Message): void {
  if (Object.is(actual, expected)) failWith({ message, actual, expected, operator: "must not be" });
}

export function deepEqual(actual: unknown, expected: unknown, message?: Message): void {
  if (!isDeepEqual(actual, expected)) failWith({ message, actual, expected, operator: "does not deeply equal" });
}

export function notDeepEqual(actual: unknown, expected: unknown, message?: Message): void {
  if (isDeepEqual(actual, expected)) failWith({ message, actual, expected, operator: "must not deeply equal" });
}

export function match(actual: string, expected: RegExp, message?: Message): void {
  if (typeof actual !== "string" || !expected.test(actual))
    failWith({ message, actual, expected, operator: "does not match" });
}

export function doesNotMatch(actual: string, expected: RegExp, message?: Message): void {
  if (expected.test(actual)) failWith({ message, actual, expected, operator: "must not match" });
}

export function fail(message: string | Error = "failed"): never {
  return failWith({ message, operator: "fail" });
}

const isClass = (expected: unknown): expected is new () => unknown =>
  typeof expected === "function" &&
  (expected === Error || expected.prototype instanceof Error || /^class\b/.test(String(expected)));

function checkThrown(error: unknown, expected: Expected | string | undefined): void {
  if (expected === undefined || typeof expected === "string") return;
  if (expected instanceof RegExp) match(String(error), expected);
  else if (isClass(expected)) {
    if (!(error instanceof expected)) throw error;
  } else if (typeof expected === "function") {
    const accepted = (expected as (error: unknown) => unknown)(error);
    if (accepted !== true) failWith({ actual: error, expected, operator: "was not accepted by" });
  } else {
    for (const [key, value] of Object.entries(expected)) {
      const actual = (error as Record<string, unknown>)[key];
      if (value instanceof RegExp && typeof actual === "string") match(actual, value);
      else deepEqual(actual, value, `the error's ${key}: ${show(actual)} is not ${show(value)}`);
    }
  }
}

export function throws(call: () => unknown, expected?: Expected | string, message?: Message): void {
  let thrown: { error: unknown } | null = null;
  try {
    call();
  } catch (error) {
    thrown = { error };
  }
  if (thrown === null) failWith({ message: message ?? "nothing was thrown", expected, operator: "throws" });
  checkThrown(thrown.error, expected);
}

export function doesNotThrow(call: () => unknown): void {
  call();
}

export async function rejects(
  promise: Promise<unknown> | (() => Promise<unknown>),
  expected?: Expected | string,
  message?: Message,
): Promise<void> {
  let thrown: { error: unknown } | null = null;
  try {
    await (typeof promise === "function" ? promise() : promise);
  } catch (error) {
    thrown = { error };
  }
  if (thrown === null) failWith({ message: message ?? "nothing was rejected", expected, operator: "rejects" });
  checkThrown(thrown.error, expected);
}

export async function doesNotReject(promise: Promise<unknown> | (() => Promise<unknown>)): Promise<void> {
  await (typeof promise === "function" ? promise() : promise);
}

export const strictEqual = equal;
export const notStrictEqual = notEqual;
export const deepStrictEqual = deepEqual;
export const notDeepStrictEqual = notDeepEqual;
export { AssertionError };

const assert = Object.assign((value: unknown, message?: Message): void => ok(value, message), {
  ok,
  equal,
  notEqual,
  deepEqual,
  notDeepEqual,
  match,
  doesNotMatch,
  fail,
  throws,
  doesNotThrow,
  rejects,
  doesNotReject,
  strictEqual,
  notStrictEqual,
  deepStrictEqual,
  notDeepStrictEqual,
  AssertionError,
});

// Node's module has a default export, and tests import it by that.
export { assert, assert as default };
