// Where the last lines of a log begin, found from its end, a block at a time.
import type { LogFile } from "./log-files.ts";
import type { LogPosition } from "./log-position.ts";
import { FILE_HEAD, LONGEST_RECORD, recordAt, recordBefore } from "./log-record.ts";

const NEWLINE = 0x0a;
/** Holds a whole record wherever it lies. */
const BLOCK = 2 * LONGEST_RECORD;

export interface TailStart extends LogPosition {
  /** Bytes of the record at the position that belong to earlier lines. */
  readonly skip: number;
}

/** Counts lines backwards, over pieces of output that come last first. */
class LineCounter {
  #missing: number;
  #first = true;
  constructor(lines: number) {
    this.#missing = lines;
  }
  /** Where in the piece the first of the lines begins; null: earlier. */
  start(piece: Buffer): number | null {
    let at = piece.length;
    // The newline that ends the output begins no line.
    if (this.#first && piece.length > 0) {
      this.#first = false;
      if (piece[at - 1] === NEWLINE) at--;
    }
    for (;;) {
      at = at === 0 ? -1 : piece.lastIndexOf(NEWLINE, at - 1);
      if (at < 0) return null;
      if (--this.#missing === 0) return at + 1;
    }
  }
}

/** `files` are oldest first. null: the log has no more lines than that. */
export async function tailStart(files: readonly LogFile[], lines: number): Promise<TailStart | null> {
  const counter = new LineCounter(lines);
  for (const file of files.toReversed()) {
    const start = await (file.sequence === 0 ? startInBare(file, counter) : startInRecords(file, counter));
    if (start !== null) return start;
  }
  return null;
}

async function startInRecords({ sequence, handle }: LogFile, counter: LineCounter): Promise<TailStart | null> {
  let end = (await handle.stat()).size;
  let repaired = false;
  while (end > FILE_HEAD) {
    const base = Math.max(FILE_HEAD, end - BLOCK);
    const block = await readBlock(handle, base, end);
    let at = block.length;
    while (at > 0) {
      const record = recordBefore(block, at);
      if (record === "incomplete" && base > FILE_HEAD) break;
      if (typeof record === "string") {
        // The end is torn, or is being written: from the last record that is whole.
        if (repaired) return null;
        repaired = true;
        end = await endOfWhole(handle);
        at = -1;
        break;
      }
      const skip = counter.start(block.subarray(record.from, record.to));
      if (skip !== null) return { sequence, offset: base + record.start, skip };
      at = record.start;
    }
    if (at >= 0) end = base + at;
  }
  return null;
}

/** Behind the last record that can be read from the file's beginning. */
async function endOfWhole(handle: LogFile["handle"]): Promise<number> {
  let offset = FILE_HEAD;
  for (;;) {
    const block = await readBlock(handle, offset, offset + BLOCK);
    let at = 0;
    for (let record = recordAt(block, at); typeof record === "object"; record = recordAt(block, at)) at = record.end;
    if (at === 0) return offset;
    offset += at;
  }
}

async function startInBare({ sequence, handle }: LogFile, counter: LineCounter): Promise<TailStart | null> {
  for (let end = (await handle.stat()).size; end > 0; ) {
    const base = Math.max(0, end - BLOCK);
    const start = counter.start(await readBlock(handle, base, end));
    if (start !== null) return { sequence, offset: base + start, skip: 0 };
    end = base;
  }
  return null;
}

async function readBlock(handle: LogFile["handle"], from: number, to: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(to - from), 0, to - from, from);
  return buffer.subarray(0, bytesRead);
}
