// Lines as containerd's own (logrus text), because they end up in its log.
import { type Log, type LogFields, messageOf } from "@berth/base";

const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/@^+";

function quoted(text: string): string {
  for (let i = 0; i < text.length; i++) if (!plain.includes(text[i] as string)) return JSON.stringify(text);
  return text === "" ? '""' : text;
}

/** `time="…" level=info msg="…" container=web` */
export function logLine(level: string, at: Date, sentence: string, fields: LogFields): string {
  let line = `time="${at.toISOString()}" level=${level} msg=${JSON.stringify(sentence)}`;
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    line += key === "err" ? ` error=${quoted(messageOf(value))}` : ` ${key}=${quoted(String(value))}`;
  }
  return `${line}\n`;
}

/** A log that hands finished lines to `write`. Debug lines are left out unless asked for. */
export function createLogger(write: (line: string) => void, debug: boolean, base: LogFields = {}): Log {
  const say = (level: string) => (sentence: string, fields?: LogFields) =>
    write(logLine(level, new Date(), sentence, { ...base, ...fields }));
  return {
    debug: debug ? say("debug") : () => {},
    info: say("info"),
    warn: say("warning"),
    error: say("error"),
    with: (fields) => createLogger(write, debug, { ...base, ...fields }),
  };
}
