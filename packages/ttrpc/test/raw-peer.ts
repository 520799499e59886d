// The other end of a connection, frame by frame.
import { Request, Response } from "@berth/proto/ttrpc";
import { type ByteStream, encodeFrame, FrameDecoder } from "@berth/ttrpc";

export interface Frame {
  readonly id: number;
  readonly type: number;
  readonly flags: number;
  readonly data: Uint8Array;
}

export class RawPeer {
  readonly stream: ByteStream;
  closed = false;
  #frames: Frame[] = [];
  #waiting: ((frame: Frame | null) => void) | null = null;

  constructor(stream: ByteStream) {
    this.stream = stream;
    const decoder = new FrameDecoder({
      onFrame: (id, type, flags, data) => this.#take({ id, type, flags, data }),
      onOversized: (id, type) => this.#take({ id, type, flags: 255, data: new Uint8Array(0) }),
    });
    stream.start({
      onData: (chunk) => decoder.push(chunk),
      onClose: () => {
        this.closed = true;
        this.#waiting?.(null);
        this.#waiting = null;
      },
    });
  }

  send(id: number, type: number, flags: number, data: Uint8Array = new Uint8Array(0)): void {
    this.stream.write(encodeFrame(id, type, flags, data));
  }

  request(id: number, flags: number, request: Parameters<typeof Request.encode>[0]): void {
    this.send(id, 1, flags, Request.encode(request));
  }

  /** The next frame, null once the connection is closed. */
  frame(): Promise<Frame | null> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.closed) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** The next frame as `{id, code, message}` of a response. */
  async status(): Promise<{ id: number; code: number; message: string }> {
    const frame = await this.frame();
    if (frame === null || frame.type !== 2) throw new Error(`expected a response, got ${JSON.stringify(frame)}`);
    const response = Response.decode(frame.data);
    if (response.status !== null && response.payload.length > 0) throw new Error("a payload beside a status");
    return { id: frame.id, code: response.status?.code ?? 0, message: response.status?.message ?? "" };
  }

  #take(frame: Frame): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#frames.push(frame);
    else waiting(frame);
  }
}
