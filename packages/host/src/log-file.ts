// One file of a container's log, as log.c writes it: a head, then records.
import { native } from "berth:native";
import { O, open, read } from "./descriptors.ts";
import type { Fd } from "./fd.ts";
import { check } from "./system-error.ts";

const HEAD_BYTES = 16;
const MAGIC = "berthlog";
const VERSION = 1;

/** Moves what is there as records of `stream`; see logMove in native.d.ts. For a Pump's sink. */
export const moveToLog = native.logMove;

/** Appends one record, whole or not at all: how many of the bytes it took, or -errno. For a Pump's sink. */
export const writeToLog = native.logWrite;

/** The head of the log's file with this sequence number; each file of a log has the next. */
export function logHead(sequence: number): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  head.set(native.encodeUtf8(MAGIC));
  const numbers = new DataView(head.buffer);
  numbers.setUint32(8, VERSION, true);
  numbers.setUint32(12, sequence, true);
  return head;
}

/** The sequence number in the file's head; 0: this is no file of a log. Reads from where the descriptor is. */
export function logSequence(fd: Fd): number {
  const head = read(fd, HEAD_BYTES) ?? new Uint8Array(0);
  if (head.length < HEAD_BYTES || native.decodeUtf8(head.subarray(0, 8), false) !== MAGIC) return 0;
  const numbers = new DataView(head.buffer, head.byteOffset);
  return numbers.getUint32(8, true) === VERSION ? numbers.getUint32(12, true) : 0;
}

/** Whether the last record of a log's file is whole; not so after a power cut, or a write that failed half way. */
export const endsWhole = (fd: Fd): boolean => check(native.logIsWhole(fd.number), "read", fd.what) === 1;

/** Makes `fd` stand for the open file of `by`, and closes `by`. */
export function replaceDescriptor(fd: Fd, by: Fd): void {
  check(native.replaceDescriptor(fd.number, by.number), "dup3", fd.what);
  by.close();
}

/** Opened for appending; made, empty and private, where it is missing. */
export const openLogFile = (path: string): Fd => open(path, O.RDWR | O.CREAT | O.APPEND | O.NOFOLLOW, 0o600);
