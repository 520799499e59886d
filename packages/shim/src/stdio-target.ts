// What the stdio strings of Create and Exec mean.
import { invalidArgument, unknownError } from "@berth/base";
import { cleanPath } from "./paths.ts";

export type OutputTarget =
  | { readonly kind: "null" }
  /** A FIFO, or a plain file where the path is one: the disk tells. */
  | { readonly kind: "path"; readonly path: string }
  /** Both outputs are appended to one file. */
  | { readonly kind: "file"; readonly path: string }
  /** A program that reads both outputs. */
  | Logger;

export interface Logger {
  readonly kind: "logger";
  readonly argv: readonly string[];
  /** It must write a byte when it is ready (binary-v2); else closing its descriptor is enough. */
  readonly mustSay: boolean;
}

/** Throws for a scheme that is not known. */
export function parseOutput(text: string): OutputTarget {
  if (text === "") return { kind: "null" };
  const colon = text.indexOf("://");
  if (colon < 0) return { kind: "path", path: text };
  const scheme = text.slice(0, colon);
  const rest = text.slice(colon + 3);
  if (scheme === "fifo") return { kind: "path", path: pathOf(rest) };
  if (scheme === "file") return { kind: "file", path: cleanPath(pathOf(rest)) };
  if (scheme === "binary" || scheme === "binary-v2")
    return { kind: "logger", argv: loggerCommand(rest), mustSay: scheme === "binary-v2" };
  throw unknownError(
    `unknown STDIO scheme ${scheme} in ${JSON.stringify(text)}: use fifo, file, binary or binary-v2: unknown`,
  );
}

function pathOf(rest: string): string {
  const query = rest.indexOf("?");
  return decode(query < 0 ? rest : rest.slice(0, query), false);
}

/** `/path?k=v&flag` is `path`, `k`, `v`, `flag` and an empty argument; of a key that comes twice the first counts. */
function loggerCommand(rest: string): string[] {
  const pairs = new Map<string, string>();
  const query = rest.indexOf("?");
  for (const pair of query < 0 ? [] : rest.slice(query + 1).split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const key = decode(equals < 0 ? pair : pair.slice(0, equals), true);
    if (!pairs.has(key)) pairs.set(key, equals < 0 ? "" : decode(pair.slice(equals + 1), true));
  }
  return [pathOf(rest), ...[...pairs].flat()];
}

function decode(text: string, plus: boolean): string {
  try {
    return decodeURIComponent(plus ? text.split("+").join(" ") : text);
  } catch {
    throw invalidArgument(`stdio URI has a wrong % escape: ${JSON.stringify(text)}`);
  }
}
