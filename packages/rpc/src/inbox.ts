/**
 * Messages that have arrived for one reader, in order. The writer pushes and ends it; the reader iterates
 * it once. `next` may not be called again before its promise has settled, as in `for await`.
 *
 * A class with explicit `next` instead of an async generator: `return` must also end a `next` that waits.
 */
export class Inbox<T> implements AsyncIterableIterator<T, undefined> {
  /** Called after a message was taken, with what is left. */
  onTake: ((message: T) => void) | null = null;
  /** Called once, when the reader stops before the end. */
  onStop: (() => void) | null = null;
  #messages: T[] = [];
  #head = 0;
  #ended = false;
  #error: unknown = null;
  #waiting: { resolve: (result: IteratorResult<T, undefined>) => void; reject: (error: unknown) => void } | null = null;

  /** Messages that nobody has taken yet. */
  get length(): number {
    return this.#messages.length - this.#head;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** What comes after the end is dropped. */
  push(message: T): void {
    if (this.#ended) return;
    if (this.#waiting === null) {
      this.#messages.push(message);
      return;
    }
    const { resolve } = this.#waiting;
    this.#waiting = null;
    this.onTake?.(message);
    resolve({ done: false, value: message });
  }

  /** No more messages. The reader gets those that are there, and then the error, if there is one. */
  end(error: unknown = null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    if (this.#waiting === null) return;
    const { resolve, reject } = this.#waiting;
    this.#waiting = null;
    if (error === null) resolve({ done: true, value: undefined });
    else {
      this.#error = null;
      reject(error);
    }
  }

  /** Ends it with an error, and drops what nobody has taken. */
  fail(error: unknown): void {
    const lost = this.length > 0;
    this.#messages = [];
    this.#head = 0;
    if (!this.#ended) this.end(error);
    // It had ended well, but the reader will not see all of it.
    else if (lost) this.#error = error;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#head < this.#messages.length) {
      const value = this.#messages[this.#head] as T;
      this.#messages[this.#head++] = undefined as T;
      if (this.#head === this.#messages.length || this.#head > 1024) {
        this.#messages = this.#messages.slice(this.#head);
        this.#head = 0;
      }
      this.onTake?.(value);
      return Promise.resolve({ done: false, value });
    }
    if (this.#error !== null) {
      const error = this.#error;
      this.#error = null;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#messages = [];
    this.#head = 0;
    this.#error = null;
    this.end();
    const { onStop } = this;
    this.onStop = null;
    onStop?.();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
