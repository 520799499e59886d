// The records of a log's file, as the shim writes them (packages/shim/README.md, "The log of a container").

export type LogStream = "stdout" | "stderr";

export const FILE_HEAD = 16;
const RECORD_HEAD = 12;
const RECORD_TAIL = 4;
/** A whole record is at most this long. */
export const LONGEST_RECORD = 64 << 10;

const MAGIC = "berthlog";
const VERSION = 1;
const streams: Readonly<Record<number, LogStream>> = { 1: "stdout", 2: "stderr" };

export interface LogRecord {
  readonly stream: LogStream;
  /** Offsets in the buffer: of the record, of its bytes, and behind it. */
  readonly start: number;
  readonly from: number;
  readonly to: number;
  readonly end: number;
}

/** The sequence number in a file's head, counted from 1 over all files of a log; 0: this is no file of a log. */
export function sequenceIn(head: Buffer): number {
  if (head.length < FILE_HEAD || head.toString("latin1", 0, MAGIC.length) !== MAGIC) return 0;
  return head.readUInt32LE(8) === VERSION ? head.readUInt32LE(12) : 0;
}

/** The record that begins at `start`; "incomplete" where the buffer ends before it does. */
export function recordAt(bytes: Buffer, start: number): LogRecord | "incomplete" | "damaged" {
  if (bytes.length - start < RECORD_HEAD) return "incomplete";
  const word = bytes.readUInt32LE(start);
  const length = word & 0xffffff;
  const stream = streams[word >>> 24];
  const from = start + RECORD_HEAD;
  const to = from + length;
  const end = to + RECORD_TAIL;
  if (stream === undefined || end - start > LONGEST_RECORD) return "damaged";
  if (bytes.length < end) return "incomplete";
  return bytes.readUInt32LE(to) === length ? { stream, start, from, to, end } : "damaged";
}

/** The record that ends at `end`; "incomplete" where it begins before the buffer does. */
export function recordBefore(bytes: Buffer, end: number): LogRecord | "incomplete" | "damaged" {
  if (end < RECORD_TAIL) return "incomplete";
  const length = bytes.readUInt32LE(end - RECORD_TAIL);
  if (RECORD_HEAD + length + RECORD_TAIL > LONGEST_RECORD) return "damaged";
  const start = end - RECORD_TAIL - length - RECORD_HEAD;
  if (start < 0) return "incomplete";
  const record = recordAt(bytes, start);
  return typeof record === "object" && record.end === end ? record : "damaged";
}
