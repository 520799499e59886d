// What the supervisor and its helper say to each other: 4 bytes with the length of the head, 4 with that of the
// body (big-endian), the head as JSON, the body. channel.ts is the other side.

export interface Frame {
  readonly head: unknown;
  readonly body: Uint8Array;
}

const PREFIX = 8;
/** A command line with its environment, and what a command may print twice over (run-command.ts). */
const MAX_PART = 4 << 20;

export function encodeFrame(head: object, body: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const bytes = new Uint8Array(PREFIX + text.length + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, text.length);
  view.setUint32(4, body.length);
  bytes.set(text, PREFIX);
  bytes.set(body, PREFIX + text.length);
  return bytes;
}

/** Collects chunks into frames. Throws where the length or the head is nonsense. */
export class FrameReader {
  #rest = new Uint8Array(0);

  *push(chunk: Uint8Array): Generator<Frame> {
    const joined = new Uint8Array(this.#rest.length + chunk.length);
    joined.set(this.#rest);
    joined.set(chunk, this.#rest.length);
    this.#rest = joined;
    for (let frame = this.#take(); frame !== null; frame = this.#take()) yield frame;
  }

  #take(): Frame | null {
    const bytes = this.#rest;
    if (bytes.length < PREFIX) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const head = view.getUint32(0);
    const body = view.getUint32(4);
    if (head > MAX_PART || body > MAX_PART) throw new RangeError(`a frame of ${head} and ${body} bytes`);
    const end = PREFIX + head + body;
    if (bytes.length < end) return null;
    this.#rest = bytes.slice(end);
    const text = new TextDecoder().decode(bytes.subarray(PREFIX, PREFIX + head));
    return { head: JSON.parse(text) as unknown, body: bytes.slice(PREFIX + head, end) };
  }
}
