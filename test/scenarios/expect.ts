// What scenarios assert, said once.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type ErrorKind, kindOf, messageOf } from "@berth/base";
import { until } from "../support/until.ts";

/** The call fails with exactly this code, and with this text. */
export async function refused(call: Promise<unknown>, kind: ErrorKind, text: string | RegExp): Promise<void> {
  const outcome = await outcomeOf(call);
  if (typeof text === "string") assert.equal(outcome, `${kind} | ${text}`);
  else {
    assert.match(outcome, text);
    assert.ok(outcome.startsWith(`${kind} |`), `${outcome} is of kind ${kind}`);
  }
}

/** `ok`, or code and text of the error. */
export async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    return `${kindOf(error)} | ${messageOf(error)}`;
  }
}

/** Looks until it is so. */
export const eventually = (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => until(holds, what);

/** A zombie is not alive: its parent may be slow to look. */
export function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false; // ENOENT or ESRCH: it is gone
  }
}
