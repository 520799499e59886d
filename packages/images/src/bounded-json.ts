// JSON that others wrote, on an event loop that is everybody's: what it costs to parse is bounded before it is parsed.
import { setImmediate } from "node:timers/promises";
import { invalidArgument } from "@berth/base";

/** Longest manifest, index or configuration: what registries accept (distribution specification, "Pushing Manifests"). */
export const MAX_DOCUMENT = 4 << 20;

/** Deeper than any document of an image, of a spec or of a layout. */
const MAX_DEPTH = 100;
/** Values and keys: an image of 500 layers with its history has some ten thousand. */
const MAX_VALUES = 100_000;
/** Bytes that are looked at before others get their turn. */
const SLICE = 512 << 10;

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [BRACKET, BRACE, END_BRACKET, END_BRACE] = [0x5b, 0x7b, 0x5d, 0x7d];

export const tooLong = (what: string, size: number): Error =>
  invalidArgument(`${what} has ${size} bytes: at most ${MAX_DOCUMENT} are accepted`);

/**
 * Parses a document as Go's encoding/json does: bytes that are not UTF-8 are replaced. `what` names it in errors.
 * Throws invalid-argument for one that is too long, too deep or of too many values, and for what is not JSON.
 */
export async function parseBounded(bytes: Uint8Array, what: string): Promise<unknown> {
  for (const _slice of shapeOf(bytes, what)) await setImmediate();
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw invalidArgument(`${what} is not valid JSON`, { cause });
  }
}

/** The same bounds, for what is parsed later or by others. A few milliseconds for the longest. */
export function checkBounds(bytes: Uint8Array, what: string): void {
  for (const _slice of shapeOf(bytes, what));
}

/** Looks at the bytes once, in pieces. It need not be JSON: the parser finds that out soon enough. */
function* shapeOf(bytes: Uint8Array, what: string): Generator<void, void> {
  if (bytes.length > MAX_DOCUMENT) throw tooLong(what, bytes.length);
  let depth = 0;
  let values = 0;
  let pause = SLICE;
  for (let at = 0; at < bytes.length; at++) {
    if (at >= pause) {
      pause = at + SLICE;
      yield;
    }
    const byte = bytes[at];
    if (byte === QUOTE) at = endOfString(bytes, at);
    else if (byte === COMMA || byte === COLON) values++;
    else if (byte === BRACKET || byte === BRACE) {
      values++;
      if (++depth > MAX_DEPTH) throw invalidArgument(`${what} is nested more than ${MAX_DEPTH} deep`);
    } else if (byte === END_BRACKET || byte === END_BRACE) depth--;
    if (values > MAX_VALUES) throw invalidArgument(`${what} has more than ${MAX_VALUES} values`);
  }
}

/** Position of the quote that ends the string which begins at `start`. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === BACKSLASH) at++;
    else if (byte === QUOTE) return at;
  }
  return bytes.length;
}
