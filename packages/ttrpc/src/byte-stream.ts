/**
 * A connected byte stream that somebody else opened (a Node socket, the host's socket, a pair in memory).
 *
 * Life: the owner connects it and hands it over; `start` is called once; from then on `onData` gets every
 * chunk, and `onClose` comes exactly once, after which nothing more arrives and writes are dropped.
 */
export interface ByteStream {
  start(handlers: {
    /** The chunk is valid only during the call: copy what is kept. */
    onData(chunk: Uint8Array): void;
    /** null: the peer closed in good order, or `close` was called. */
    onClose(error: Error | null): void;
  }): void;
  /** Takes all bytes, keeping those that the peer is not ready for. The chunk may be kept: do not reuse it. */
  write(chunk: Uint8Array): void;
  /** Bytes taken and not yet handed to the kernel. */
  readonly pending: number;
  /** Resolves when `pending` is 0 or the stream has closed. */
  drained(): Promise<void>;
  /** Closes at once; pending bytes are dropped. */
  close(): void;
  /** Where they are there, these stop and continue `onData`; it may still be called a few times after `pause`. */
  pause?(): void;
  resume?(): void;
}
