import { type BerthError, invalidArgument, resourceExhausted } from "@berth/base";
import { failureOf, type IncomingCall, type Route, type RpcStatus, sendAll, statusOf } from "@berth/rpc";
import { Flag, FrameType, MAX_DATA, tooLong } from "./frame.ts";
import { SEND_WINDOW } from "./limits.ts";
import { decodePayload } from "./payload.ts";
import type { ServerConnection, StreamReceiver } from "./server-connection.ts";
import { ReceiveBudget, StreamInbox } from "./stream-inbox.ts";
import { drainedOrAborted } from "./wait.ts";

const noBytes = new Uint8Array(0);
/** One budget a connection, made with its first stream that receives. */
const budgets = new WeakMap<ServerConnection, ReceiveBudget>();

/** Starts the handler of a streaming method. */
export function startStream(
  connection: ServerConnection,
  id: number,
  flags: number,
  route: Route,
  call: IncomingCall,
  payload: Uint8Array,
): StreamReceiver {
  return new ServerStream(connection, id, flags, route, call, payload);
}

class ServerStream implements StreamReceiver {
  readonly #connection: ServerConnection;
  readonly #id: number;
  readonly #route: Route;
  readonly #call: IncomingCall;
  /** Null where the client sends one message only. */
  readonly #inbox: StreamInbox | null;
  /** The last frame has been sent. */
  #finished = false;

  constructor(
    connection: ServerConnection,
    id: number,
    flags: number,
    route: Route,
    call: IncomingCall,
    payload: Uint8Array,
  ) {
    this.#connection = connection;
    this.#id = id;
    this.#route = route;
    this.#call = call;
    if (route.method.kind === "server-streaming") {
      this.#inbox = null;
    } else {
      const inbox = new StreamInbox(budgetOf(connection), () =>
        this.fail(invalidArgument("data handling error: ttrpc: stream buffer full")),
      );
      this.#inbox = inbox;
      if (payload.length > 0) inbox.push(payload);
      if (flags & Flag.remoteClosed) inbox.end();
      call.onAbort = () => inbox.fail(call.reason);
    }
    void this.#run(payload);
  }

  onData(flags: number, data: Uint8Array): void {
    if ((flags & Flag.noData) === 0) {
      if (this.#inbox === null || this.#inbox.ended) {
        this.fail(invalidArgument("data handling error: ttrpc: stream closed"));
        return;
      }
      this.#inbox.push(data);
    }
    if ((flags & Flag.remoteClosed) === 0) return;
    this.#inbox?.end();
    // The message counts all the same, and the handler goes on: so do Go's.
    if (data.length > 0) this.#connection.refuse(this.#id, invalidArgument("data close message cannot include data"));
  }

  fail(error: BerthError): void {
    if (this.#finished) return;
    this.#finish();
    this.#connection.respond(this.#id, statusOf(error), noBytes);
    this.#call.abort(error);
  }

  /** Never rejects. */
  async #run(payload: Uint8Array): Promise<void> {
    let status: RpcStatus | null = null;
    let answer: Uint8Array | null = null;
    const call = this.#call;
    try {
      const { handler, method } = this.#route;
      const input =
        this.#inbox === null ? decodePayload(method.input, payload) : this.#inbox.reader(method.input, null);
      if (method.kind === "client-streaming") {
        answer = method.output.encode((await handler(input, call)) as object);
      } else {
        await sendAll(handler(input, call) as AsyncIterable<object>, call, (message) => this.#send(message));
      }
    } catch (error) {
      status = failureOf(error, call);
    }
    this.#connection.endCall(call);
    if (!this.#finished) {
      this.#finish();
      if (status !== null || answer !== null) this.#connection.respond(this.#id, status, answer ?? noBytes);
      else this.#connection.send(this.#id, FrameType.data, Flag.remoteClosed | Flag.noData, noBytes);
    }
    this.#inbox?.fail(call.reason);
    this.#connection.afterCall();
  }

  #send(message: object): Promise<void> | null {
    const data = this.#route.method.output.encode(message);
    if (data.length > MAX_DATA) throw resourceExhausted(tooLong(data.length));
    const { stream } = this.#connection;
    this.#connection.send(this.#id, FrameType.data, 0, data);
    return stream.pending > SEND_WINDOW ? drainedOrAborted(stream, this.#call.signal) : null;
  }

  #finish(): void {
    this.#finished = true;
    this.#connection.forgetStream(this.#id);
  }
}

/** Bytes of stream messages that nobody has read. */
export const unreadBytes = (connection: ServerConnection): number => budgets.get(connection)?.bytes ?? 0;

function budgetOf(connection: ServerConnection): ReceiveBudget {
  const { limits } = connection.shared;
  let budget = budgets.get(connection);
  if (budget === undefined) {
    budget = new ReceiveBudget(connection.stream, limits.maxReceiveBytes, limits.waitsForReaders);
    budgets.set(connection, budget);
  }
  return budget;
}
