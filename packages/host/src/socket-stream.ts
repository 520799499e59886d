import type { ByteStream } from "@berth/ttrpc";
import { read, write } from "./descriptors.ts";
import type { Fd } from "./fd.ts";
import { type Ready, type Watch, watch } from "./loop.ts";

type Handlers = Parameters<ByteStream["start"]>[0];

const CHUNK = 1 << 16;
/** Chunks read for one readiness, so that a busy peer does not starve the others. */
const CHUNKS_PER_TURN = 4;

/** A connected socket as a byte stream. It owns the descriptor. Nothing is read before `start`. */
export class SocketStream implements ByteStream {
  readonly #fd: Fd;
  readonly #watch: Watch;
  #handlers: Handlers | null = null;
  #queue: Uint8Array[] = [];
  #pending = 0;
  #paused = false;
  #closed = false;
  /** The error of a close that came before `start`. */
  #early: Error | null = null;
  #drained: (() => void)[] = [];

  constructor(fd: Fd) {
    this.#fd = fd;
    this.#watch = watch(fd, {}, (ready) => this.#onReady(ready));
  }

  get pending(): number {
    return this.#pending;
  }

  start(handlers: Handlers): void {
    if (this.#handlers !== null) throw new Error("the stream was started before");
    this.#handlers = handlers;
    if (this.#closed) queueMicrotask(() => handlers.onClose(this.#early));
    else this.#arm();
  }

  write(chunk: Uint8Array): void {
    if (this.#closed || chunk.length === 0) return;
    this.#queue.push(chunk);
    this.#pending += chunk.length;
    if (this.#queue.length === 1) this.#flush(true);
  }

  drained(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  close(): void {
    this.#end(null, true);
  }

  /** Stops reading until `resume`: backpressure. */
  pause(): void {
    this.#paused = true;
    this.#arm();
  }

  resume(): void {
    this.#paused = false;
    this.#arm();
  }

  #arm(): void {
    if (this.#closed) return;
    this.#watch.update({ readable: this.#handlers !== null && !this.#paused, writable: this.#pending > 0 });
  }

  #onReady(ready: Ready): void {
    if (ready.writable) this.#flush(false);
    if (ready.readable) this.#receive();
  }

  #receive(): void {
    for (let i = 0; i < CHUNKS_PER_TURN && !this.#closed && !this.#paused; i++) {
      let chunk: Uint8Array | null;
      try {
        chunk = read(this.#fd, CHUNK);
      } catch (error) {
        this.#end(error as Error, false);
        return;
      }
      if (chunk === null) return;
      if (chunk.length === 0) {
        this.#end(null, false);
        return;
      }
      try {
        this.#handlers?.onData(chunk);
      } catch (error) {
        // Whoever reads has lost its place in what this peer says. The error is told, and the others go on.
        this.#end(error as Error, false);
        throw error;
      }
      if (chunk.length < CHUNK) return;
    }
  }

  /** `calledByOwner`: onClose must not run inside the owner's own call of write. */
  #flush(calledByOwner: boolean): void {
    try {
      while (!this.#closed && this.#queue.length > 0) {
        const chunk = this.#queue[0] as Uint8Array;
        const count = write(this.#fd, chunk);
        if (count < 0) break;
        this.#pending -= count;
        if (count === chunk.length) this.#queue.shift();
        else this.#queue[0] = chunk.subarray(count);
      }
    } catch (error) {
      this.#end(error as Error, calledByOwner);
      return;
    }
    if (this.#pending === 0) this.#releaseDrained();
    this.#arm();
  }

  #releaseDrained(): void {
    const resolvers = this.#drained;
    this.#drained = [];
    for (const resolve of resolvers) resolve();
  }

  #end(error: Error | null, later: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    this.#fd.close();
    this.#queue = [];
    this.#pending = 0;
    this.#releaseDrained();
    const handlers = this.#handlers;
    if (handlers === null) this.#early = error;
    else if (later) queueMicrotask(() => handlers.onClose(error));
    else handlers.onClose(error);
  }
}
