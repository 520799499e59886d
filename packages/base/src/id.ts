import { invalidArgument } from "./errors.ts";

/** Longest identifier, as in containerd. */
const MAX_ID_LENGTH = 76;
const pattern = /^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$/;

/**
 * Checks a namespace, container, exec or sandbox id, or a part of a topic, by containerd's rule:
 * letters and digits in groups joined by one of `.`, `_` or `-`, at most 76 in all.
 * Throws invalid-argument and names what the id is for.
 */
export function checkId(what: string, id: string): string {
  if (id.length === 0) throw invalidArgument(`${what} id must not be empty`);
  if (id.length > MAX_ID_LENGTH)
    throw invalidArgument(`${what} id ${JSON.stringify(id)} is longer than ${MAX_ID_LENGTH} characters`);
  if (!pattern.test(id))
    throw invalidArgument(
      `${what} id ${JSON.stringify(id)} is invalid: use letters and digits, joined by single ".", "_" or "-"`,
    );
  return id;
}
