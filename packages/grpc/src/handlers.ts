import { canceled, deadlineExceeded, type Log } from "@berth/base";
import {
  addMetadata,
  failureOf,
  grpcKeys,
  Inbox,
  IncomingCall,
  newMetadata,
  type Route,
  type RpcStatus,
  sendAll,
} from "@berth/rpc";
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedHandleCall,
} from "@grpc/grpc-js";
import { sizeOf } from "./definition.ts";
import type { Held } from "./limits.ts";

type Answer = Uint8Array;
type AnyServerCall =
  | ServerUnaryCall<object, Answer>
  | ServerWritableStream<object, Answer>
  | ServerReadableStream<object, Answer>
  | ServerDuplexStream<object, Answer>;

/** Requests that a handler may leave lying before the stream is paused. */
const WINDOW = 8;
/** The same in bytes. */
const WINDOW_BYTES = 2 << 20;
/** A status travels in a header; longer texts would be refused by the peer together with their code. */
const MAX_STATUS_TEXT = 8 << 10;

/** Counts the handlers that have not returned. */
export interface ActiveCalls {
  count: number;
}

/** What grpc-js calls for one method. */
export function handlerOf(route: Route, log: Log, active: ActiveCalls, held: Held): UntypedHandleCall {
  const { handler, method } = route;
  const open = (call: AnyServerCall): IncomingCall => {
    active.count += 1;
    return openCall(route, call, log);
  };
  const end = (incoming: IncomingCall): void => {
    active.count -= 1;
    incoming.end();
  };

  /** The one answer of a unary or client-streaming method. */
  const answer = async (
    incoming: IncomingCall,
    input: unknown,
    callback: (error: { code: number; details: string } | null, value?: Answer) => void,
  ): Promise<void> => {
    let status: RpcStatus | null = null;
    let value: Answer | null = null;
    try {
      value = method.output.encode((await handler(input, incoming)) as object);
    } catch (error) {
      status = failureOf(error, incoming);
    }
    end(incoming);
    if (value !== null) callback(null, value);
    else callback(errorFor(status as RpcStatus));
  };

  const answers = async (
    incoming: IncomingCall,
    input: unknown,
    call: ServerWritableStream<object, Answer> | ServerDuplexStream<object, Answer>,
  ): Promise<void> => {
    let status: RpcStatus | null = null;
    try {
      await sendAll(handler(input, incoming) as AsyncIterable<object>, incoming, (message) =>
        call.write(method.output.encode(message)) ? null : drained(call, incoming),
      );
    } catch (error) {
      status = failureOf(error, incoming);
    }
    end(incoming);
    if (status === null) call.end();
    else call.emit("error", errorFor(status));
  };

  /** Counts the one request for as long as its handler runs. */
  const withRequest = async (request: object, act: (request: object) => Promise<void>): Promise<void> => {
    const size = sizeOf(request);
    held.bytes += size;
    await act(request);
    held.bytes -= size;
  };

  switch (method.kind) {
    case "unary": {
      const unary: handleUnaryCall<object, Answer> = (call, callback) => {
        void withRequest(call.request, (request) => answer(open(call), request, callback));
      };
      return unary as UntypedHandleCall;
    }
    case "client-streaming": {
      const upload: handleClientStreamingCall<object, Answer> = (call, callback) => {
        const incoming = open(call);
        const requests = requestsOf(call, incoming, held);
        void answer(incoming, requests.inbox, callback).then(requests.release);
      };
      return upload as UntypedHandleCall;
    }
    case "server-streaming": {
      const download: handleServerStreamingCall<object, Answer> = (call) => {
        void withRequest(call.request, (request) => answers(open(call), request, call));
      };
      return download as UntypedHandleCall;
    }
    case "bidi-streaming": {
      const talk: handleBidiStreamingCall<object, Answer> = (call) => {
        const incoming = open(call);
        const requests = requestsOf(call, incoming, held);
        void answers(incoming, requests.inbox, call).then(requests.release);
      };
      return talk as UntypedHandleCall;
    }
  }
}

function openCall(route: Route, call: AnyServerCall, log: Log): IncomingCall {
  const incoming = new IncomingCall({
    method: route.path,
    metadata: metadataFrom(call.metadata),
    keys: grpcKeys,
    log,
    // grpc-js keeps the deadline and reports it as a cancellation.
    timeoutMs: null,
  });
  const emitter = call as ServerUnaryCall<object, Answer>;
  emitter.on("cancelled", () => {
    const deadline = call.getDeadline();
    const late = deadline !== Number.POSITIVE_INFINITY && Number(deadline) <= Date.now();
    incoming.abort(
      late
        ? deadlineExceeded(`${route.path}: the deadline has passed`)
        : canceled(`${route.path}: the caller has gone`),
    );
  });
  return incoming;
}

function metadataFrom(metadata: Metadata): Record<string, string> {
  const out = newMetadata();
  for (const [key, value] of Object.entries(metadata.getMap()))
    if (typeof value === "string") addMetadata(out, key, value);
  return out;
}

/**
 * What the client sends, as the handler reads it; `release` counts what is left of it as gone. Not grpc-js's own iterator: leaving that one early
 * destroys the answers as well.
 */
function requestsOf(
  call: ServerReadableStream<object, Answer> | ServerDuplexStream<object, Answer>,
  incoming: IncomingCall,
  held: Held,
): { inbox: Inbox<object>; release: () => void } {
  const inbox = new Inbox<object>();
  let waiting = 0;
  let released = false;
  const count = (bytes: number) => {
    if (released) return;
    waiting += bytes;
    held.bytes += bytes;
  };
  const isFull = () => inbox.length >= WINDOW || waiting >= WINDOW_BYTES;
  incoming.onAbort = () => inbox.fail(incoming.reason);
  inbox.onTake = (request) => {
    count(-sizeOf(request));
    if (!isFull() && call.isPaused()) call.resume();
  };
  call.on("data", (request: object) => {
    count(sizeOf(request));
    inbox.push(request);
    if (isFull()) call.pause();
  });

  call.on("end", () => inbox.end());
  // A request that cannot be read: grpc-js answers the client by itself.
  call.on("error", (error: Error) => inbox.fail(error));
  const release = () => {
    count(-waiting);
    released = true;
  };
  return { inbox, release };
}

function drained(
  call: ServerWritableStream<object, Answer> | ServerDuplexStream<object, Answer>,
  incoming: IncomingCall,
): Promise<void> {
  return new Promise((resolve) => {
    const { signal } = incoming;
    const done = () => {
      call.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    call.once("drain", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/** grpc-js percent-encodes the text with encodeURI, which throws on half a surrogate pair. */
function errorFor({ code, message }: RpcStatus): Error & { code: number; details: string } {
  const text = message.length > MAX_STATUS_TEXT ? `${message.slice(0, MAX_STATUS_TEXT)}…` : message;
  const details = (text as string & { toWellFormed(): string }).toWellFormed();
  return Object.assign(new Error(details), { code, details });
}
