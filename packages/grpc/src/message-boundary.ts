/** Before each message: whether it is compressed, and its length (grpc's PROTOCOL-HTTP2.md). */
const PREFIX = 5;

/** Follows the messages in a stream of bytes; keeps none of them. */
export class MessageBoundary {
  /** Bytes since the last message ended, its own prefix included. */
  pending = 0;
  readonly #prefix = new Uint8Array(PREFIX);

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const taken =
        this.pending < PREFIX ? Math.min(PREFIX - this.pending, chunk.length - at) : this.#upToEnd(chunk.length - at);
      if (this.pending < PREFIX) this.#prefix.set(chunk.subarray(at, at + taken), this.pending);
      this.pending += taken;
      at += taken;
      if (this.pending >= PREFIX && this.#upToEnd(Number.POSITIVE_INFINITY) === 0) this.pending = 0;
    }
  }

  #upToEnd(limit: number): number {
    const length = new DataView(this.#prefix.buffer).getUint32(1);
    return Math.min(limit, PREFIX + length - this.pending);
  }
}
