/** The fields that a log line may carry; a closed list, so that lines can be searched by field. */
export interface LogFields {
  namespace?: string;
  container?: string;
  exec?: string;
  sandbox?: string;
  pid?: number;
  image?: string;
  digest?: string;
  snapshot?: string;
  topic?: string;
  runtime?: string;
  path?: string;
  address?: string;
  method?: string;
  count?: number;
  status?: number;
  ms?: number;
  err?: unknown;
}

/** A fixed sentence with fields. Log or throw, never both. */
export interface Log {
  debug(sentence: string, fields?: LogFields): void;
  info(sentence: string, fields?: LogFields): void;
  warn(sentence: string, fields?: LogFields): void;
  error(sentence: string, fields?: LogFields): void;
  /** A log that adds these fields to every line. */
  with(fields: LogFields): Log;
}

/** Says nothing: for tests, and for callers that do not care. */
export const silent: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silent,
};
