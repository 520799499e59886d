// What the stdio strings of Create and Exec mean.
import { invalidArgument } from "@berth/base";
import { cleanPath } from "./paths.ts";

export type OutputTarget =
  | { readonly kind: "null" }
  /** A FIFO, or a plain file where the path is one: the disk tells. */
  | { readonly kind: "path"; readonly path: string }
  /** Both outputs are appended to one file. */
  | { readonly kind: "file"; readonly path: string }
  /** A program that reads both outputs. */
  | { readonly kind: "logger"; readonly argv: readonly string[] };

/** Throws invalid-argument for a scheme that is not known. */
export function parseOutput(text: string): OutputTarget {
  if (text === "") return { kind: "null" };
  const colon = text.indexOf("://");
  if (colon < 0) return { kind: "path", path: text };
  const scheme = text.slice(0, colon);
  const rest = text.slice(colon + 3);
  if (scheme === "fifo") return { kind: "path", path: pathOf(rest) };
  if (scheme === "file") return { kind: "file", path: cleanPath(pathOf(rest)) };
  if (scheme === "binary") return { kind: "logger", argv: loggerCommand(rest) };
  throw invalidArgument(
    `unknown STDIO scheme ${JSON.stringify(scheme)} in ${JSON.stringify(text)}: use fifo, file or binary`,
  );
}

function pathOf(rest: string): string {
  const query = rest.indexOf("?");
  return decode(query < 0 ? rest : rest.slice(0, query), false);
}

/** `/path?k=v&flag` is `path k v flag`: a key without a value is one argument. */
function loggerCommand(rest: string): string[] {
  const argv = [pathOf(rest)];
  const query = rest.indexOf("?");
  if (query < 0) return argv;
  for (const pair of rest.slice(query + 1).split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    argv.push(decode(equals < 0 ? pair : pair.slice(0, equals), true));
    const value = equals < 0 ? "" : decode(pair.slice(equals + 1), true);
    if (value !== "") argv.push(value);
  }
  return argv;
}

function decode(text: string, plus: boolean): string {
  try {
    return decodeURIComponent(plus ? text.split("+").join(" ") : text);
  } catch {
    throw invalidArgument(`stdio URI has a wrong % escape: ${JSON.stringify(text)}`);
  }
}
