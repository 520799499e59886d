// How large a container's log may become: options of its creation, kept as labels of its record.
import { invalidArgument } from "@berth/base";

export interface LogLimits {
  /** Of one file, in bytes; 0: no limit. */
  readonly maxBytes: number;
  /** Files, with the one that is written to. */
  readonly maxFiles: number;
}

const MAX_SIZE_LABEL = "berth.log.max-size";
const MAX_FILE_LABEL = "berth.log.max-file";
const DEFAULT: LogLimits = { maxBytes: 10 << 20, maxFiles: 3 };
/** The shim's own bounds. */
const LEAST_BYTES = 4096;
const MOST_FILES = 1000;

/** `max-size` in bytes, 0 for no limit, and `max-file`, as labels. Throws invalid-argument for another name. */
export function logLabels(options: Readonly<Record<string, string>>): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(options)) {
    if (name !== "max-size" && name !== "max-file")
      throw invalidArgument(`log option ${JSON.stringify(name)} is unknown: there are max-size and max-file`);
    labels[name === "max-size" ? MAX_SIZE_LABEL : MAX_FILE_LABEL] = value;
  }
  return labels;
}

/** The limits of the log that a container's labels ask for. Throws invalid-argument. */
export function logLimits(labels: Readonly<Record<string, string>>): LogLimits {
  const { [MAX_SIZE_LABEL]: size, [MAX_FILE_LABEL]: files } = labels;
  return {
    maxBytes: size === undefined ? DEFAULT.maxBytes : bytesOf(size),
    maxFiles: files === undefined ? DEFAULT.maxFiles : countOf(files),
  };
}

function bytesOf(text: string): number {
  const bytes = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  if (bytes === 0 || bytes >= LEAST_BYTES) return bytes;
  throw invalidArgument(
    `log option max-size ${JSON.stringify(text)} is too small: ${LEAST_BYTES} bytes at least, or 0 for no limit`,
  );
}

function countOf(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MOST_FILES) return count;
  throw invalidArgument(`log option max-file ${JSON.stringify(text)} is not a number from 1 to ${MOST_FILES}`);
}
