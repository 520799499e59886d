import {
  type BerthError,
  invalidArgument,
  type Log,
  messageOf,
  resourceExhausted,
  unavailable,
  unimplemented,
} from "@berth/base";
import { DecodeError } from "@berth/proto";
import { Request, Response } from "@berth/proto/ttrpc";
import {
  addMetadata,
  callerGone,
  failureOf,
  findRoute,
  IncomingCall,
  newMetadata,
  type Route,
  type Routes,
  type RpcStatus,
  statusOf,
  ttrpcKeys,
} from "@berth/rpc";
import type { ByteStream } from "./byte-stream.ts";
import { encodeFrame, FrameDecoder, type FrameReceiver, FrameType, MAX_DATA, tooLong } from "./frame.ts";
import { callLate, type LateService } from "./late-service.ts";
import type { Limits } from "./limits.ts";
import { decodePayload } from "./payload.ts";

/** What the connections of one server share. */
export interface ServerShared {
  readonly routes: Routes;
  /** By their names. */
  readonly late: ReadonlyMap<string, LateService>;
  readonly log: Log;
  readonly limits: Limits;
  /** Null in programs that serve no streams and so need not carry their code. */
  readonly startStream: StartStream | null;
  activeCalls: number;
  stopping: boolean;
  readonly connections: Set<ServerConnection>;
  /** Called when a connection has gone. */
  onGone: (() => void) | null;
}

/** Starts a streaming handler; what it returns gets the stream's data until `forgetStream`. */
export type StartStream = (
  connection: ServerConnection,
  id: number,
  flags: number,
  route: Route,
  call: IncomingCall,
  payload: Uint8Array,
) => StreamReceiver;

export interface StreamReceiver {
  onData(flags: number, data: Uint8Array): void;
  /** Ends the stream with this error now, whatever its handler does. */
  fail(error: BerthError): void;
}

interface Opened {
  readonly request: Request;
  readonly route: Route | LateService;
  readonly call: IncomingCall;
}

const noBytes = new Uint8Array(0);

/** One peer of a server. Calls run side by side; nothing here waits for any of them. */
export class ServerConnection implements FrameReceiver {
  readonly stream: ByteStream;
  readonly shared: ServerShared;
  readonly log: Log;
  /** Resolves when the connection has gone. */
  readonly closed: Promise<void>;
  closing = false;
  #resolveClosed: () => void = () => {};
  readonly #decoder: FrameDecoder;
  readonly #calls = new Map<IncomingCall, number>();
  readonly #streams = new Map<number, StreamReceiver>();
  #lastRequest = 0;
  #requestBytes = 0;

  constructor(stream: ByteStream, shared: ServerShared, log: Log) {
    this.stream = stream;
    this.shared = shared;
    this.log = log;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#decoder = new FrameDecoder(this);
    shared.connections.add(this);
    stream.start({
      onData: (chunk) => this.#decoder.push(chunk),
      onClose: (error) => this.#onClose(error),
    });
  }

  get idle(): boolean {
    return this.#calls.size === 0;
  }

  /** Bytes kept of what the peer has sent: the frame under way, and the requests of calls under way. */
  get held(): number {
    return this.#decoder.kept + this.#requestBytes;
  }

  /** No whole request has come yet. */
  get silent(): boolean {
    return this.#lastRequest === 0;
  }

  /** Drops the connection and aborts its calls. */
  close(): void {
    this.closing = true;
    this.#decoder.stop();
    this.stream.close();
  }

  /** Closes once the last answer is with the kernel. */
  closeWhenSent(): void {
    if (this.closing) return;
    this.closing = true;
    this.#decoder.stop();
    void this.stream.drained().then(() => this.stream.close());
  }

  onFrame(id: number, type: number, flags: number, data: Uint8Array): void {
    if (id % 2 === 0) this.refuse(id, invalidArgument("StreamID must be odd for client initiated streams"));
    else if (type === FrameType.request) this.#onRequest(id, flags, data);
    else if (type === FrameType.data) {
      const receiver = this.#streams.get(id);
      if (receiver === undefined) this.refuse(id, invalidArgument("StreamID is no longer active"));
      else receiver.onData(flags, data);
    }
    // Other types are ignored, for what may come one day.
  }

  onOversized(id: number, _type: number, length: number): void {
    const error = resourceExhausted(tooLong(length));
    const receiver = this.#streams.get(id);
    if (receiver === undefined) this.refuse(id, error);
    else receiver.fail(error);
  }

  /** Answers a stream with an error, whether there is such a stream or not. */
  refuse(id: number, error: BerthError): void {
    this.respond(id, statusOf(error), noBytes);
  }

  respond(id: number, status: RpcStatus | null, payload: Uint8Array): void {
    // A Go client decodes the payload before it looks at the status: with an error it must be empty.
    const response =
      status === null
        ? Response.encode({ payload })
        : Response.encode({ status: { code: status.code, message: status.message } });
    if (response.length <= MAX_DATA) this.send(id, FrameType.response, 0, response);
    else this.refuse(id, resourceExhausted(tooLong(response.length)));
  }

  send(id: number, type: number, flags: number, data: Uint8Array): void {
    this.stream.write(encodeFrame(id, type, flags, data));
    if (this.stream.pending <= this.shared.limits.maxPendingBytes || this.closing) return;
    this.log.warn("a peer does not read its answers, closing its connection", { count: this.stream.pending });
    this.close();
  }

  /** The handler has returned: the call counts no more. */
  endCall(call: IncomingCall): void {
    const bytes = this.#calls.get(call);
    if (bytes === undefined) return;
    call.end();
    this.#calls.delete(call);
    this.#requestBytes -= bytes;
    this.shared.activeCalls -= 1;
  }

  /** To be called after the last frame of a call. */
  afterCall(): void {
    if (this.shared.stopping && this.idle) this.closeWhenSent();
  }

  forgetStream(id: number): void {
    this.#streams.delete(id);
  }

  #onRequest(id: number, flags: number, data: Uint8Array): void {
    if (id <= this.#lastRequest) {
      this.refuse(id, invalidArgument("StreamID cannot be re-used and must increment"));
      return;
    }
    this.#lastRequest = id;
    let opened: Opened;
    try {
      opened = this.#open(data);
    } catch (error) {
      this.refuse(id, error as BerthError);
      return;
    }
    const { request, route, call } = opened;
    if ("load" in route || route.method.kind === "unary") void this.#unary(id, opened);
    else if (this.shared.startStream !== null) {
      // Registered before the handler runs, but not if it is over already.
      const receiver = this.shared.startStream(this, id, flags, route, call, request.payload);
      if (this.#calls.has(call)) this.#streams.set(id, receiver);
    }
  }

  /** Throws a BerthError where the call may not begin. */
  #open(data: Uint8Array): Opened {
    const { shared } = this;
    const request = decodeRequest(data);
    if (shared.stopping) throw unavailable("the server is shutting down");
    const route = this.#route(request);
    if (!("load" in route) && route.method.kind !== "unary" && shared.startStream === null)
      throw unimplemented(`method ${request.method}: this server has no streams`);
    if (this.#calls.size >= shared.limits.maxCalls)
      throw resourceExhausted(`more than ${shared.limits.maxCalls} calls at once on one connection`);
    if (this.#requestBytes + data.length > shared.limits.maxRequestBytes)
      throw resourceExhausted(`the calls of one connection hold more than ${shared.limits.maxRequestBytes} bytes`);
    const metadata = newMetadata();
    for (const { key, value } of request.metadata) addMetadata(metadata, key, value);
    const call = new IncomingCall({
      method: "load" in route ? `${request.service}/${request.method}` : route.path,
      metadata,
      keys: ttrpcKeys,
      log: this.log,
      timeoutMs: request.timeoutNano === 0 ? null : request.timeoutNano / 1e6,
    });
    // The deadline had passed already: nobody waits for the answer.
    if (call.reason !== null) throw call.reason;
    this.#calls.set(call, data.length);
    this.#requestBytes += data.length;
    shared.activeCalls += 1;
    return { request, route, call };
  }

  #route({ service, method }: Request): Opened["route"] {
    return this.shared.late.get(service) ?? findRoute(this.shared.routes, service, method);
  }

  /** Never rejects. */
  async #unary(id: number, { route, call, request }: Opened): Promise<void> {
    let status: RpcStatus | null = null;
    let answer: Uint8Array = noBytes;
    try {
      if ("load" in route) answer = await callLate(route, request.method, request.payload, call);
      else {
        const input = decodePayload(route.method.input, request.payload);
        answer = route.method.output.encode((await route.handler(input, call)) as object);
      }
    } catch (error) {
      status = failureOf(error, call);
    }
    this.endCall(call);
    this.respond(id, status, answer);
    this.afterCall();
  }

  #onClose(error: Error | null): void {
    this.closing = true;
    this.#decoder.stop();
    if (error !== null) this.log.debug("a connection broke", { err: error });
    for (const call of this.#calls.keys()) call.abort(callerGone(call.method));
    this.#streams.clear();
    this.shared.connections.delete(this);
    this.#resolveClosed();
    this.shared.onGone?.();
  }
}

function decodeRequest(data: Uint8Array): Request {
  try {
    return Request.decode(data);
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw invalidArgument(`unmarshal request error: ${messageOf(cause)}`, { cause });
  }
}
