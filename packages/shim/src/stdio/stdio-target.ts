// What the stdio strings of Create and Exec mean.
import { invalidArgument, messageOf, unknownError } from "@berth/base";
import { cleanPath } from "../paths.ts";
import { type GoUrl, parseGoUrl, queryPairs } from "./go-url.ts";

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

/**
 * What stdout means; stderr follows it but where it is a path. Throws as containerd's shim does. A text without a scheme is
 * a path as it stands, so that its escapes and marks are its name.
 */
export function parseOutput(text: string): OutputTarget {
  if (text === "") return { kind: "null" };
  const { scheme, path, query } = parsed(text);
  switch (scheme) {
    case "":
      return { kind: "path", path: text };
    case "fifo":
      return { kind: "path", path };
    case "file":
      return { kind: "file", path };
    case "binary":
    case "binary-v2":
      return { kind: "logger", argv: [path, ...queryPairs(query).flat()], mustSay: scheme === "binary-v2" };
    case "berth-log":
      return logTarget(path, query);
    default:
      throw unknownError(
        `unknown STDIO scheme ${scheme} in ${JSON.stringify(text)}: use fifo, file or binary: unknown`,
      );
  }
}

/** What stderr means where stdout is a path: a path is one whatever is in it. */
export const parseErrorOutput = (text: string): OutputTarget =>
  text.startsWith("/") ? { kind: "path", path: text } : parseOutput(text);

function parsed(text: string): GoUrl {
  try {
    return parseGoUrl(text);
  } catch (error) {
    throw unknownError(`unable to parse stdout uri: ${messageOf(error)}`, { cause: error });
  }
}

/** `/path?max-size=BYTES&max-file=COUNT`, as berthd writes it. */
function logTarget(path: string, query: string): LogTarget {
  const given = new Map(queryPairs(query));
  return logAt(path, given.get("max-size"), given.get("max-file"));
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
