import { type BerthError, internalError, messageOf, resourceExhausted, unavailable } from "@berth/base";
import type { Method } from "@berth/proto";
import { Request, Response } from "@berth/proto/ttrpc";
import { type CallOptions, errorOf, metadataOf, type Requests, ttrpcKeys, watchCaller } from "@berth/rpc";
import type { ByteStream } from "./byte-stream.ts";
import { encodeFrame, FrameDecoder, type FrameReceiver, FrameType, MAX_DATA, tooLong } from "./frame.ts";
import type { Limits } from "./limits.ts";
import { decodePayload } from "./payload.ts";

/** A call that waits for frames. */
export interface OutgoingCall {
  onFrame(type: number, flags: number, data: Uint8Array): void;
  /** No frame will come any more. */
  fail(error: BerthError): void;
}

/** Opens a streaming call. */
export type OpenStream = (
  connection: ClientConnection,
  service: string,
  method: Method,
  requests: Requests,
  options: CallOptions,
) => AsyncIterable<object>;

/** The last stream id: they are 32 bits wide and odd. */
const LAST_ID = 0xffffffff;

/** The client's end of a connection. */
export class ClientConnection implements FrameReceiver {
  readonly stream: ByteStream;
  readonly limits: Limits;
  /** Resolves when the connection has gone, with what broke it. */
  readonly closed: Promise<Error | null>;
  #resolveClosed: (error: Error | null) => void = () => {};
  readonly #decoder: FrameDecoder;
  readonly #calls = new Map<number, OutgoingCall>();
  #nextId = 1;
  #open = true;

  constructor(stream: ByteStream, limits: Limits) {
    this.stream = stream;
    this.limits = limits;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#decoder = new FrameDecoder(this);
    stream.start({
      onData: (chunk) => this.#decoder.push(chunk),
      onClose: (error) => this.#onClose(error),
    });
  }

  close(): void {
    this.#shut();
    this.stream.close();
  }

  unary(service: string, method: Method, request: object, options: CallOptions): Promise<object> {
    return new Promise((resolve, reject) => {
      const path = `${service}/${method.name}`;
      const call = new UnaryCall(this, path, method, resolve, reject);
      const unwatch = watchCaller(path, options, (error) => call.fail(error));
      if (call.over) return;
      call.unwatch = unwatch;
      try {
        call.id = this.request(service, method, 0, method.input.encode(request), options, call);
      } catch (error) {
        call.fail(error);
      }
    });
  }

  /**
   * Sends a request and returns its stream id. Id and frame are one step, because a server refuses ids
   * that do not grow. Throws a BerthError where the request cannot be sent.
   */
  request(
    service: string,
    method: Method,
    flags: number,
    payload: Uint8Array,
    options: CallOptions,
    call: OutgoingCall,
  ): number {
    const metadata = metadataOf(options, ttrpcKeys);
    const data = Request.encode({
      service,
      method: method.name,
      payload,
      timeoutNano: options.timeoutMs === undefined ? 0 : Math.ceil(options.timeoutMs * 1e6),
      metadata: Object.keys(metadata).map((key) => ({ key, value: metadata[key] })),
    });
    if (!this.#open) throw closedError();
    if (data.length > MAX_DATA) throw resourceExhausted(tooLong(data.length));
    if (this.stream.pending > this.limits.maxPendingBytes)
      throw resourceExhausted(`the server has left ${this.stream.pending} bytes unread: it seems to be stuck`);
    if (this.#nextId > LAST_ID) throw unavailable("this connection has used up its stream ids: connect again");
    const id = this.#nextId;
    this.#nextId += 2;
    this.#calls.set(id, call);
    this.stream.write(encodeFrame(id, FrameType.request, flags, data));
    return id;
  }

  /** What still comes for the stream is ignored. ttrpc cannot tell the server that nobody waits. */
  forget(id: number): void {
    this.#calls.delete(id);
  }

  onFrame(id: number, type: number, flags: number, data: Uint8Array): void {
    this.#calls.get(id)?.onFrame(type, flags, data);
  }

  onOversized(id: number, _type: number, length: number): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    call?.fail(resourceExhausted(tooLong(length)));
  }

  #onClose(error: Error | null): void {
    this.#shut();
    this.#resolveClosed(error);
  }

  #shut(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#decoder.stop();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.fail(closedError());
  }
}

/** A unary call: over with its first frame. */
class UnaryCall implements OutgoingCall {
  id = 0;
  over = false;
  unwatch: (() => void) | null = null;
  readonly #connection: ClientConnection;
  readonly #path: string;
  readonly #method: Method;
  readonly #resolve: (answer: object) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    connection: ClientConnection,
    path: string,
    method: Method,
    resolve: (answer: object) => void,
    reject: (error: unknown) => void,
  ) {
    this.#connection = connection;
    this.#path = path;
    this.#method = method;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onFrame(type: number, _flags: number, data: Uint8Array): void {
    this.#end();
    try {
      if (type !== FrameType.response) throw protocolError(this.#path, type);
      this.#resolve(decodePayload(this.#method.output, payloadOf(data)));
    } catch (error) {
      this.#reject(error);
    }
  }

  fail(error: unknown): void {
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.over = true;
    this.unwatch?.();
    this.#connection.forget(this.id);
  }
}

/** The payload of a response. Throws the error of its status; absent or 0 is OK. */
export function payloadOf(data: Uint8Array): Uint8Array {
  let response: Response;
  try {
    response = Response.decode(data);
  } catch (cause) {
    throw internalError(`the server's response cannot be read: ${messageOf(cause)}`, { cause });
  }
  if (response.status !== null && response.status.code !== 0) throw errorOf(response.status);
  return response.payload;
}

export const protocolError = (path: string, type: number): BerthError =>
  internalError(`${path}: the server answered with an unexpected frame of type ${type}`);

/** In the words of Go's peers. */
const closedError = (): BerthError => unavailable("ttrpc: closed");
