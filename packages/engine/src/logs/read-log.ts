// Reads a container's log across its files, while it is written and rotated.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { CURRENT, closeAll, type LogFile, openLogFile, openLogFiles } from "./log-files.ts";
import { formatPosition, type LogPosition } from "./log-position.ts";
import { FILE_HEAD, LONGEST_RECORD, type LogStream, recordAt } from "./log-record.ts";
import { tailStart } from "./log-tail.ts";

/** Holds a whole record. */
const BLOCK = 2 * LONGEST_RECORD;

/** Where the log of a container is. */
export interface LogPlace {
  readonly directory: string;
  /** A file of bare output, from before logs had records. */
  readonly bare: string;
}

export interface LogChunk {
  /** "berth": what berth has to say about the log. */
  readonly stream: LogStream | "berth";
  readonly data: Uint8Array;
  /** Where to go on behind this chunk. */
  readonly position: string;
}

export interface ReadLog {
  /** Goes on here; null: at the beginning, or with the last lines. */
  readonly after: LogPosition | null;
  /** 0: everything. */
  readonly tail: number;
  /** Absent: what is there when reading begins is all. */
  readonly follow?: LogChanges;
}

export interface LogChanges {
  /** Resolves at the next change after the call; true: it was the last. */
  next(): Promise<boolean>;
}

export async function* readLog(place: LogPlace, options: ReadLog): AsyncGenerator<LogChunk> {
  const { after, tail, follow } = options;
  await using cursor = await LogCursor.open(place, after, tail, follow === undefined);
  for (let last = follow === undefined; ; ) {
    const change = last ? null : follow?.next();
    change?.catch(() => {}); // thrown below, once everything is told
    yield* cursor.rest();
    if (!change) return;
    last = await change;
  }
}

class LogCursor implements AsyncDisposable {
  readonly #place: LogPlace;
  /** Open and still to be read, oldest first. */
  readonly #files: LogFile[];
  #at: LogPosition;
  /** Bytes of the next record that are not wanted. */
  #skip: number;
  /** Where to end although there may be more by then. */
  readonly #until: LogPosition | null;

  private constructor(place: LogPlace, files: LogFile[], at: LogPosition, skip: number, until: LogPosition | null) {
    this.#place = place;
    this.#files = files;
    this.#at = at;
    this.#skip = skip;
    this.#until = until;
  }

  static async open(place: LogPlace, after: LogPosition | null, tail: number, bounded: boolean): Promise<LogCursor> {
    const least = after?.sequence ?? 0;
    const bare = least === 0 ? await openLogFile(place.bare) : null;
    const files = [
      ...(bare === null ? [] : [{ ...bare, sequence: 0 }]),
      ...(await openLogFiles(place.directory, least)),
    ];
    try {
      const start = after === null && tail > 0 ? await tailStart(files, tail) : null;
      const newest = files.at(-1);
      const until =
        bounded && newest !== undefined
          ? { sequence: newest.sequence, offset: (await newest.handle.stat()).size }
          : null;
      const at = start ?? after ?? { sequence: files[0]?.sequence ?? 0, offset: 0 };
      while (files[0] !== undefined && files[0].sequence < at.sequence) await files.shift()?.handle.close();
      return new LogCursor(place, files, at, start?.skip ?? 0, until);
    } catch (error) {
      await closeAll(files);
      throw error;
    }
  }

  /** What there is now. */
  async *rest(): AsyncGenerator<LogChunk> {
    for (;;) {
      const file = this.#files[0] ?? (await this.#openNext());
      if (file === null || (this.#until !== null && file.sequence > this.#until.sequence)) return;
      if (file.sequence !== this.#at.sequence) yield* this.#enter(file);
      yield* this.#restOf(file);
      if (this.#reachedEnd() || (this.#files.length === 1 && (await this.#isWrittenTo(file)))) return;
      // Nothing is written to it any more: the writer makes room before it goes on.
      yield* this.#restOf(file);
      yield* this.#tornEnd(file);
      this.#files.shift();
      this.#at = { sequence: file.sequence + 1, offset: 0 };
      await file.handle.close();
    }
  }

  async #openNext(): Promise<LogFile | null> {
    this.#files.push(...(await openLogFiles(this.#place.directory, this.#at.sequence)));
    return this.#files[0] ?? null;
  }

  *#enter(file: LogFile): Generator<LogChunk> {
    const isGap = this.#at.sequence !== 0;
    this.#at = { sequence: file.sequence, offset: 0 };
    if (isGap) yield this.#note("older output was rotated away before it was read here");
  }

  async *#restOf(file: LogFile): AsyncGenerator<LogChunk> {
    while (!this.#reachedEnd()) {
      const least = file.sequence === 0 ? 0 : FILE_HEAD;
      const from = Math.max(least, this.#at.offset);
      const { buffer, bytesRead } = await file.handle.read(Buffer.allocUnsafe(BLOCK), 0, BLOCK, from);
      const block = buffer.subarray(0, bytesRead);
      const end = yield* file.sequence === 0 ? this.#bare(block, from) : this.#records(block, from);
      if (end === 0) return;
    }
  }

  *#bare(block: Buffer, from: number): Generator<LogChunk, number> {
    if (block.length > 0) yield this.#chunk("stdout", [block], from + block.length);
    return block.length;
  }

  /** Consecutive records of one stream are one chunk. Returns how many bytes were whole records. */
  *#records(block: Buffer, from: number): Generator<LogChunk, number> {
    let at = 0;
    let stream: LogStream = "stdout";
    let pieces: Buffer[] = [];
    for (let record = recordAt(block, 0); typeof record === "object"; record = recordAt(block, at)) {
      if (record.stream !== stream && pieces.length > 0) {
        yield this.#chunk(stream, pieces, from + at);
        pieces = [];
      }
      stream = record.stream;
      const piece = block.subarray(record.from + this.#skip, record.to);
      this.#skip = 0;
      if (piece.length > 0) pieces.push(piece);
      at = record.end;
    }
    if (pieces.length > 0) yield this.#chunk(stream, pieces, from + at);
    else if (at > 0) this.#at = { sequence: this.#at.sequence, offset: from + at };
    return at;
  }

  #chunk(stream: LogStream, pieces: Buffer[], offset: number): LogChunk {
    this.#at = { sequence: this.#at.sequence, offset };
    const data = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
    return { stream, data, position: formatPosition(this.#at) };
  }

  /** Bytes behind the last whole record: of a write that a power cut or a full disk has torn. */
  async *#tornEnd(file: LogFile): AsyncGenerator<LogChunk> {
    const lost = (await file.handle.stat()).size - Math.max(FILE_HEAD, this.#at.offset);
    if (file.sequence > 0 && lost > 0) yield this.#note(`${lost} bytes of the log cannot be read here`);
  }

  #note(text: string): LogChunk {
    return { stream: "berth", data: Buffer.from(`berth: ${text}\n`), position: formatPosition(this.#at) };
  }

  #reachedEnd(): boolean {
    const until = this.#until;
    return until !== null && this.#at.sequence === until.sequence && this.#at.offset >= until.offset;
  }

  async #isWrittenTo({ sequence, handle }: LogFile): Promise<boolean> {
    const current = await stat(join(this.#place.directory, CURRENT)).catch(() => null);
    if (sequence === 0) return current === null;
    const own = await handle.stat();
    return current?.ino === own.ino && current.dev === own.dev;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAll(this.#files);
  }
}
