// Frames: 10 bytes of header (length, stream id, type, flags; big-endian), then the data.

/** Longest data of a frame, inclusive. */
export const MAX_DATA = 4 << 20;
export const HEADER_LENGTH = 10;

export const FrameType = { request: 1, response: 2, data: 3 } as const;
export const Flag = {
  /** The sender will send no more data on this stream. */
  remoteClosed: 1,
  /** On a request: data will follow. */
  remoteOpen: 2,
  /** On data: there is no message in this frame, not even an empty one. */
  noData: 4,
} as const;

/** The words of Go's peers. */
export const tooLong = (length: number): string =>
  `message length ${length} exceed maximum message size of ${MAX_DATA}`;

/** A whole frame. The data must not be over MAX_DATA: the caller has checked. */
export function encodeFrame(stream: number, type: number, flags: number, data: Uint8Array): Uint8Array {
  const { length } = data;
  const frame = new Uint8Array(HEADER_LENGTH + length);
  frame[0] = length >>> 24;
  frame[1] = length >>> 16;
  frame[2] = length >>> 8;
  frame[3] = length;
  frame[4] = stream >>> 24;
  frame[5] = stream >>> 16;
  frame[6] = stream >>> 8;
  frame[7] = stream;
  frame[8] = type;
  frame[9] = flags;
  frame.set(data, HEADER_LENGTH);
  return frame;
}

/** Who gets the frames of a decoder. */
export interface FrameReceiver {
  /** The data is the receiver's own: no later chunk overwrites it. */
  onFrame(stream: number, type: number, flags: number, data: Uint8Array): void;
  /** A frame over MAX_DATA: its data is skipped as it comes, and never kept. */
  onOversized(stream: number, type: number, length: number): void;
}

const noData = new Uint8Array(0);
/** What is set aside for a frame whose data has not come yet; it doubles as the data comes. */
const FIRST_BUFFER = 16 << 10;

/** Finds the frames in chunks that are split anywhere. It keeps no more than the peer has really sent. */
export class FrameDecoder {
  readonly #receiver: FrameReceiver;
  readonly #header = new Uint8Array(HEADER_LENGTH);
  #headerLength = 0;
  /** The data of the frame under way, as far as it has come. */
  #data: Uint8Array<ArrayBuffer> = noData;
  #have = 0;
  #want = 0;
  #skip = 0;
  #stopped = false;

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver;
  }

  /** Bytes that are kept of a frame that has not come to its end. */
  get kept(): number {
    return this.#data.length;
  }

  /** No more frames, not even those of a `push` that is under way. */
  stop(): void {
    this.#stopped = true;
    this.#data = noData;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#skip > 0) {
        const count = Math.min(this.#skip, chunk.length - at);
        this.#skip -= count;
        at += count;
      } else if (this.#headerLength < HEADER_LENGTH) {
        const count = Math.min(HEADER_LENGTH - this.#headerLength, chunk.length - at);
        this.#header.set(chunk.subarray(at, at + count), this.#headerLength);
        this.#headerLength += count;
        at += count;
        if (this.#headerLength === HEADER_LENGTH) this.#onHeader();
      } else {
        const count = Math.min(this.#want - this.#have, chunk.length - at);
        if (this.#have === 0 && count === this.#want) {
          // All of it is here: one copy, of the right size. (Not slice: a Node Buffer's makes a view.)
          this.#data = new Uint8Array(chunk.subarray(at, at + count));
        } else {
          this.#reserve(this.#have + count);
          this.#data.set(chunk.subarray(at, at + count), this.#have);
        }
        this.#have += count;
        at += count;
        if (this.#have === this.#want) this.#onData();
      }
    }
  }

  #onHeader(): void {
    const length = word(this.#header, 0);
    if (length > MAX_DATA) {
      this.#headerLength = 0;
      this.#skip = length;
      this.#receiver.onOversized(word(this.#header, 4), this.#header[8] as number, length);
      return;
    }
    this.#want = length;
    this.#have = 0;
    if (length === 0) this.#onData();
  }

  #onData(): void {
    // A view of exactly the data: a buffer that grew may be longer.
    const data = this.#data.length === this.#want ? this.#data : this.#data.subarray(0, this.#want);
    this.#data = noData;
    this.#headerLength = 0;
    const header = this.#header;
    this.#receiver.onFrame(word(header, 4), header[8] as number, header[9] as number, data);
  }

  #reserve(needed: number): void {
    if (needed <= this.#data.length) return;
    const size = Math.min(this.#want, Math.max(needed, this.#data.length * 2, FIRST_BUFFER));
    // transfer frees what it grows from at once: left to the collector, a hundred frames under way are 100 MB of it.
    this.#data = this.#data === noData ? new Uint8Array(size) : new Uint8Array(this.#data.buffer.transfer(size));
  }
}

function word(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  const low = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  return high * 65536 + low;
}
