import { type Log, type LogFields, messageOf } from "@berth/base";
import { destination, pino } from "pino";

export interface LogOptions {
  /** containerd's names; fatal and panic are error here. */
  readonly level: string;
  readonly format: "text" | "json";
  /** Takes whole lines; default: standard error. */
  readonly write?: (line: string) => void;
}

interface Line {
  readonly time: string;
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Lines on standard error, as JSON objects or as `key=value` text; written before the call returns. */
export function createLog({ level, format, write }: LogOptions): Log {
  const stderr = write === undefined ? destination({ dest: 2, sync: true }) : { write };
  const out = format === "json" ? stderr : { write: (line: string) => stderr.write(textOf(JSON.parse(line) as Line)) };
  const known = ["trace", "debug", "info", "warn", "error"].includes(level) ? level : level === "" ? "info" : "error";
  const logger = pino(
    {
      level: known,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    out,
  );
  return over(logger, {});
}

type Logger = Pick<ReturnType<typeof pino>, "debug" | "info" | "warn" | "error">;

function over(logger: Logger, fixed: LogFields): Log {
  const plain = (fields: LogFields | undefined) => {
    const all: Record<string, unknown> = { ...fixed, ...fields };
    if ("err" in all) all.err = describe(all.err);
    return all;
  };
  return {
    debug: (sentence, fields) => logger.debug(plain(fields), sentence),
    info: (sentence, fields) => logger.info(plain(fields), sentence),
    warn: (sentence, fields) => logger.warn(plain(fields), sentence),
    error: (sentence, fields) => logger.error(plain(fields), sentence),
    with: (fields) => over(logger, { ...fixed, ...fields }),
  };
}

/** The messages of an error and its causes; the stack of what is not an error of ours to expect. */
function describe(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && parts.length < 5; ) {
    // A stack only where the fault is in our own code.
    const fault = at instanceof TypeError || at instanceof ReferenceError || at instanceof RangeError;
    parts.push(fault ? ((at as Error).stack ?? messageOf(at)) : messageOf(at));
    at = at instanceof Error ? at.cause : null;
  }
  return [...new Set(parts)].join(": ");
}

function textOf({ time, level, msg, ...fields }: Line): string {
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${quoted(value)}`);
  return `${time} ${level.padEnd(5)} ${msg}${rest.join("")}\n`;
}

function quoted(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text);
}
