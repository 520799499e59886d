import type { MessageType } from "@berth/proto";
import { Inbox } from "@berth/rpc";
import type { ByteStream } from "./byte-stream.ts";
import { STREAM_FULL_MS, STREAM_MESSAGES } from "./limits.ts";
import { decodePayload } from "./payload.ts";

/** What a message costs beyond its bytes. */
const OVERHEAD = 64;

/**
 * The messages that one stream has received, for its reader. ttrpc has no flow control, so a reader that
 * takes nothing for a second while more than 64 messages wait loses its stream (`onFull`). Until then
 * other streams of the connection go on.
 */
export class StreamInbox {
  readonly #raw = new Inbox<Uint8Array>();
  readonly #budget: ReceiveBudget;
  /** The reader is too slow: the stream is to be failed. */
  readonly onFull: () => void;
  #timer: ReturnType<typeof setTimeout> | null = null;
  bytes = 0;

  constructor(budget: ReceiveBudget, onFull: () => void) {
    this.#budget = budget;
    this.onFull = onFull;
    this.#raw.onTake = (data) => this.#onTake(data);
  }

  get ended(): boolean {
    return this.#raw.ended;
  }

  push(data: Uint8Array): void {
    if (this.#raw.ended) return;
    this.bytes += data.length + OVERHEAD;
    this.#budget.add(this, data.length + OVERHEAD);
    this.#raw.push(data);
    if (this.#raw.length <= STREAM_MESSAGES || this.#raw.ended) return;
    if (this.#budget.waits) this.#budget.pauseFor(this);
    else if (this.#timer === null) this.#startTimer();
  }

  /** The peer has sent all; the error, if there is one, comes after the messages. */
  end(error: unknown = null): void {
    this.#raw.end(error);
  }

  /** The reader gets the error next. */
  fail(error: unknown): void {
    this.#raw.fail(error);
    this.#forget();
  }

  /** The messages for the reader; `onStop` is called when it leaves before the end. */
  reader<T extends object>(type: MessageType<T>, onStop: (() => void) | null): AsyncIterable<T> {
    const raw = this.#raw;
    const iterator: AsyncIterator<T, undefined> = {
      next: async () => {
        const result = await raw.next();
        return result.done ? result : { done: false, value: decodePayload(type, result.value) };
      },
      return: () => {
        onStop?.();
        this.#forget();
        return raw.return() as Promise<IteratorReturnResult<undefined>>;
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  #onTake(data: Uint8Array): void {
    this.bytes -= data.length + OVERHEAD;
    this.#budget.remove(data.length + OVERHEAD);
    if (this.bytes === 0) this.#budget.streams.delete(this);
    if (this.#raw.length <= STREAM_MESSAGES / 2) this.#budget.resumeFor(this);
    if (this.#timer === null) return;
    // Progress: the second starts anew, or is not needed any more.
    this.#stopTimer();
    if (this.#raw.length > STREAM_MESSAGES) this.#startTimer();
  }

  #forget(): void {
    this.#stopTimer();
    const { bytes } = this;
    this.bytes = 0;
    this.#budget.streams.delete(this);
    this.#budget.remove(bytes);
    this.#budget.resumeFor(this);
  }

  #startTimer(): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.onFull();
    }, STREAM_FULL_MS);
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** Bounds what all streams of a connection have received and not read. */
export class ReceiveBudget {
  /** Those that hold something. */
  readonly streams = new Set<StreamInbox>();
  /** Whether the connection waits for its readers; see `Limits`. */
  readonly waits: boolean;
  /** Those for whose readers the connection waits. */
  readonly #behind = new Set<StreamInbox>();
  #isOver = false;
  readonly #stream: ByteStream;
  readonly #limit: number;
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  get bytes(): number {
    return this.#bytes;
  }

  constructor(stream: ByteStream, limit: number, waits = false) {
    this.waits = waits;
    this.#stream = stream;
    this.#limit = limit;
  }

  add(inbox: StreamInbox, bytes: number): void {
    this.streams.add(inbox);
    this.#bytes += bytes;
    if (this.#bytes <= this.#limit) return;
    // A transport that cannot pause gets no patience once it is over twice the limit.
    if (this.#bytes > 2 * this.#limit) this.#relieve();
    else if (this.waits) {
      this.#isOver = true;
      this.#stream.pause?.();
    } else if (this.#timer === null) {
      this.#stream.pause?.();
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.#relieve();
      }, STREAM_FULL_MS);
    }
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    if ((this.#timer === null && !this.#isOver) || this.#bytes > this.#limit / 2) return;
    this.close();
    this.#isOver = false;
    this.#resume();
  }

  pauseFor(inbox: StreamInbox): void {
    this.#behind.add(inbox);
    this.#stream.pause?.();
  }

  resumeFor(inbox: StreamInbox): void {
    if (this.#behind.delete(inbox)) this.#resume();
  }

  #resume(): void {
    if (this.#behind.size === 0 && !this.#isOver && this.#timer === null) this.#stream.resume?.();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Nobody makes room: those that hold most lose their streams. */
  #relieve(): void {
    while (this.#bytes > this.#limit / 2) {
      let largest: StreamInbox | null = null;
      for (const inbox of this.streams) if (largest === null || inbox.bytes > largest.bytes) largest = inbox;
      if (largest === null) break;
      this.streams.delete(largest);
      largest.onFull();
    }
    this.close();
    this.#isOver = false;
    this.#resume();
  }
}
