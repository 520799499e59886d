// What the stdio strings of Create and Exec mean.
import { invalidArgument, unknownError } from "@berth/base";
import { cleanPath } from "./paths.ts";

export type OutputTarget =
  | { readonly kind: "null" }
  /** A FIFO, or a plain file where the path is one: the disk tells. */
  | { readonly kind: "path"; readonly path: string }
  /** Both outputs are appended to one file. */
  | { readonly kind: "file"; readonly path: string }
  | LogTarget
  /** A program that reads both outputs. */
  | Logger;

/** Both outputs become records of one log, whose files are rotated. */
export interface LogTarget {
  readonly kind: "log";
  readonly path: string;
  /** The most that one file of it may hold; 0: no limit. */
  readonly bytes: number;
  /** How many files there may be, with the one that is written to. */
  readonly files: number;
}

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
  if (scheme === "berth-log") return logTarget(rest);
  throw unknownError(
    `unknown STDIO scheme ${scheme} in ${JSON.stringify(text)}: use fifo, file, binary or binary-v2: unknown`,
  );
}

/** `/path?max-size=BYTES&max-file=COUNT`, as berthd writes it. */
function logTarget(rest: string): LogTarget {
  const [path = "", ...pairs] = loggerCommand(rest);
  const given: Record<string, string | undefined> = {};
  for (let i = 0; i < pairs.length; i += 2) given[pairs[i] as string] = pairs[i + 1];
  return logAt(path, given["max-size"], given["max-file"]);
}

/** Smaller than this the records' heads would fill a file. */
const LEAST_BYTES = 4096;
const MOST_FILES = 1000;

/** Throws for limits that are none. */
export function logAt(path: string, maxSize = "0", maxFile = "1"): LogTarget {
  const bytes = Number(maxSize);
  const files = Number(maxFile);
  if (!path.startsWith("/")) throw invalidArgument(`the log's path ${JSON.stringify(path)} is not absolute`);
  if (!Number.isSafeInteger(bytes) || bytes < 0 || (bytes > 0 && bytes < LEAST_BYTES))
    throw invalidArgument(
      `the log's max-size ${JSON.stringify(maxSize)} is neither 0 nor ${LEAST_BYTES} bytes or more`,
    );
  if (!Number.isSafeInteger(files) || files < 1 || files > MOST_FILES)
    throw invalidArgument(`the log's max-file ${JSON.stringify(maxFile)} is not a number from 1 to ${MOST_FILES}`);
  return { kind: "log", path: cleanPath(path), bytes, files };
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
