// Two connected byte streams in memory, as nasty as sockets can be: bytes arrive later, in chunks that
// are split anywhere, in a buffer that is overwritten after the call; either end can stop taking bytes.
import type { ByteStream } from "@berth/ttrpc";

export interface PairOptions {
  /** Largest chunk to deliver, in bytes; a function is asked for each. Default: as written. */
  readonly chunk?: number | (() => number);
}

type Handlers = Parameters<ByteStream["start"]>[0];

class MemoryEnd implements ByteStream {
  peer: MemoryEnd | null = null;
  /** The largest `pending` that was seen. */
  highWater = 0;
  /** Largest number of bytes that this end was written in all. */
  written = 0;
  pending = 0;
  closed = false;
  readonly #chunk: number | (() => number);
  #handlers: Handlers | null = null;
  #queue: Uint8Array[] = [];
  #stalled = false;
  #scheduled = false;
  #closing: { error: Error | null } | null = null;
  #waiting: (() => void)[] = [];

  constructor(chunk: number | (() => number)) {
    this.#chunk = chunk;
  }

  start(handlers: Handlers): void {
    this.#handlers = handlers;
    this.peer?.schedule();
    this.schedule();
  }

  write(bytes: Uint8Array): void {
    if (this.closed || bytes.length === 0) return;
    this.#queue.push(bytes);
    this.pending += bytes.length;
    this.written += bytes.length;
    this.highWater = Math.max(this.highWater, this.pending);
    this.schedule();
  }

  drained(): Promise<void> {
    if (this.pending === 0 || this.closed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#shut(null);
    this.peer?.breakOff(null);
  }

  /** As when the other side has gone, after what it has written. */
  breakOff(error: Error | null): void {
    this.#closing = { error };
    this.schedule();
  }

  /** The peer of this end reads nothing more until `unstall`. */
  stall(): void {
    this.#stalled = true;
  }

  unstall(): void {
    this.#stalled = false;
    this.schedule();
  }

  pause(): void {
    this.peer?.stall();
  }

  resume(): void {
    this.peer?.unstall();
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const { peer } = this;
    if (peer === null) return;
    const handlers = peer.#handlers;
    if (handlers !== null && !peer.closed && !this.#stalled && this.#queue.length > 0) {
      const bytes = this.#queue[0] as Uint8Array;
      const limit = typeof this.#chunk === "number" ? this.#chunk : this.#chunk();
      const count = Math.min(bytes.length, Math.max(1, limit));
      if (count === bytes.length) this.#queue.shift();
      else this.#queue[0] = bytes.subarray(count);
      this.pending -= count;
      const chunk = new Uint8Array(bytes.subarray(0, count));
      handlers.onData(chunk);
      chunk.fill(0xff);
      if (this.pending === 0) this.#wake();
      else this.schedule();
    }
    if (peer.#queue.length === 0 || peer.closed) peer.#settle();
    this.#settle();
  }

  #settle(): void {
    const { peer } = this;
    if (this.#closing === null || this.closed) return;
    if (peer !== null && peer.#queue.length > 0 && !peer.closed && !peer.#stalled) return;
    this.#shut(this.#closing.error);
  }

  #shut(error: Error | null): void {
    if (this.closed) return;
    this.closed = true;
    this.pending = 0;
    this.#queue = [];
    this.#wake();
    queueMicrotask(() => this.#handlers?.onClose(error));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

export function memoryPair({ chunk = 1 << 30 }: PairOptions = {}): { near: MemoryEnd; far: MemoryEnd } {
  const near = new MemoryEnd(chunk);
  const far = new MemoryEnd(chunk);
  near.peer = far;
  far.peer = near;
  return { near, far };
}
