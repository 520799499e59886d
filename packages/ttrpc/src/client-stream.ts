import { resourceExhausted } from "@berth/base";
import type { Method } from "@berth/proto";
import { type CallOptions, type Requests, watchCaller } from "@berth/rpc";
import { type ClientConnection, type OutgoingCall, payloadOf, protocolError } from "./client-connection.ts";
import { encodeFrame, Flag, FrameType, MAX_DATA, tooLong } from "./frame.ts";
import { SEND_WINDOW } from "./limits.ts";
import { ReceiveBudget, StreamInbox } from "./stream-inbox.ts";
import { drainedOrAborted } from "./wait.ts";

const noBytes = new Uint8Array(0);
/** One budget a connection, made with its first stream. */
const budgets = new WeakMap<ClientConnection, ReceiveBudget>();

/** Opens a streaming call at once; its errors come out of the iterable. */
export function openStream(
  connection: ClientConnection,
  service: string,
  method: Method,
  requests: Requests,
  options: CallOptions,
): AsyncIterable<object> {
  const call = new StreamCall(connection, `${service}/${method.name}`);
  call.start(service, method, requests, options);
  return call.inbox.reader(method.output, () => call.over(null));
}

class StreamCall implements OutgoingCall {
  readonly inbox: StreamInbox;
  readonly #connection: ClientConnection;
  readonly #path: string;
  #id = 0;
  #over = false;
  #unwatch: (() => void) | null = null;
  /** Aborted when the call is over: ends the sending. */
  readonly #end = new AbortController();
  #requests: AsyncIterator<object> | null = null;

  constructor(connection: ClientConnection, path: string) {
    this.#connection = connection;
    this.#path = path;
    let budget = budgets.get(connection);
    if (budget === undefined) {
      const { maxReceiveBytes, waitsForReaders } = connection.limits;
      budget = new ReceiveBudget(connection.stream, maxReceiveBytes, waitsForReaders);
      budgets.set(connection, budget);
    }
    this.inbox = new StreamInbox(budget, () => this.fail(resourceExhausted("ttrpc: stream buffer full")));
  }

  start(service: string, method: Method, requests: Requests, options: CallOptions): void {
    this.#unwatch = watchCaller(this.#path, options, (error) => this.fail(error));
    if (this.#over) return;
    const one = "one" in requests;
    try {
      const payload = one ? method.input.encode(requests.one) : noBytes;
      const flags = one ? Flag.remoteClosed : Flag.remoteOpen;
      this.#id = this.#connection.request(service, method, flags, payload, options, this);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (!one) this.#sendAll(method, requests.many).catch((error: unknown) => this.fail(error));
  }

  onFrame(type: number, flags: number, data: Uint8Array): void {
    if (type === FrameType.response) this.#onResponse(data);
    else if (type === FrameType.data) {
      if ((flags & Flag.noData) === 0) this.inbox.push(data);
      if (flags & Flag.remoteClosed) this.over(null);
    } else this.fail(protocolError(this.#path, type));
  }

  fail(error: unknown): void {
    if (this.#over) return;
    this.over(error);
  }

  /** Nothing more is sent or received. */
  over(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#unwatch?.();
    this.#connection.forget(this.#id);
    this.#end.abort();
    // Whoever makes the requests is told that nobody takes them any more; it may be waiting for ever.
    this.#requests?.return?.().catch(() => {
      // It has nobody left to complain to: the call's outcome is already decided.
    });
    if (error === null) this.inbox.end();
    else this.inbox.fail(error);
  }

  /** The last message of the stream, or its error. */
  #onResponse(data: Uint8Array): void {
    try {
      const payload = payloadOf(data);
      this.inbox.push(payload);
      this.over(null);
    } catch (error) {
      // The server's error comes after the messages that it sent before.
      this.inbox.end(error);
      this.over(null);
    }
  }

  async #sendAll(method: Method, requests: AsyncIterable<object>): Promise<void> {
    const { stream } = this.#connection;
    const iterator = requests[Symbol.asyncIterator]();
    this.#requests = iterator;
    for (;;) {
      const result = await iterator.next();
      // A Go server panics on data for a stream that it has finished: once it has answered, nothing is sent.
      if (this.#over) return;
      if (result.done) break;
      const data = method.input.encode(result.value);
      if (data.length > MAX_DATA) throw resourceExhausted(tooLong(data.length));
      stream.write(encodeFrame(this.#id, FrameType.data, 0, data));
      if (stream.pending > SEND_WINDOW) await drainedOrAborted(stream, this.#end.signal);
    }
    stream.write(encodeFrame(this.#id, FrameType.data, Flag.remoteClosed | Flag.noData, noBytes));
  }
}
