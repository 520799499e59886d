import { BerthError, messageOf, unavailable } from "@berth/base";
import type { Method } from "@berth/proto";
import {
  type CallOptions,
  type Client,
  clientOf,
  errorOf,
  grpcKeys,
  Inbox,
  metadataOf,
  type Requests,
  type Transport,
  watchCaller,
} from "@berth/rpc";
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Client as GrpcClient,
  logVerbosity,
  Metadata,
  type ServiceError,
  setLogVerbosity,
} from "@grpc/grpc-js";
import { MAX_MESSAGE, pathOf, toBuffer } from "./definition.ts";

/** A channel to a server; it reconnects by itself. */
export interface GrpcConnection extends Disposable {
  service<S extends { readonly typeName: string; readonly methods: object }>(service: S): Client<S>;
  close(): void;
}

/** Answers that may lie unread before the stream is paused. */
const WINDOW = 8;

/** Connects to `/run/…/x.sock`, `unix:///run/…/x.sock` or `host:port`, on the first call. */
export function connectGrpc(address: string): GrpcConnection {
  // What grpc-js would write to stderr arrives at the caller as an error as well.
  setLogVerbosity(logVerbosity.NONE);
  const client = new GrpcClient(targetOf(address), credentials.createInsecure(), {
    "grpc.max_send_message_length": MAX_MESSAGE,
    "grpc.max_receive_message_length": MAX_MESSAGE,
    "grpc.enable_channelz": 0,
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.default_authority": "localhost",
    "grpc.enable_http_proxy": 0,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc-node.flow_control_window": 1 << 20,
  });
  const transport: Transport = {
    unary: (service, method, request, options) => unary(client, service, method, request, options),
    stream: (service, method, requests, options) => stream(client, service, method, requests, options),
  };
  return {
    service: (service) => clientOf(service, transport),
    close: () => client.close(),
    [Symbol.dispose]: () => client.close(),
  };
}

function targetOf(address: string): string {
  if (address.startsWith("/")) return `unix:${address}`;
  return address.startsWith("unix://") ? `unix:${address.slice("unix://".length)}` : address;
}

function unary(
  client: GrpcClient,
  service: string,
  method: Method,
  request: object,
  options: CallOptions,
): Promise<object> {
  const path = pathOf(service, method);
  return new Promise((resolve, reject) => {
    let givenUp = false;
    let cancel: () => void = () => {};
    const unwatch = watchCaller(path.slice(1), options, (error) => {
      givenUp = true;
      reject(error);
      cancel();
    });
    if (givenUp) return;
    const call = client.makeUnaryRequest(
      path,
      (message: object) => toBuffer(method.input.encode(message)),
      (bytes) => method.output.decode(bytes),
      request,
      metadataFor(options),
      deadlineFor(options),
      (error, answer) => {
        unwatch?.();
        if (error !== null) reject(errorFrom(error));
        else resolve(answer as object);
      },
    );
    cancel = () => call.cancel();
  });
}

function stream(
  client: GrpcClient,
  service: string,
  method: Method,
  requests: Requests,
  options: CallOptions,
): AsyncIterable<object> {
  const path = pathOf(service, method);
  const answers = new Inbox<object>();
  let call: ClientDuplexStream<object, object> | null = null;
  const unwatch = watchCaller(path.slice(1), options, (error) => {
    answers.fail(error);
    call?.cancel();
  });
  if (answers.ended) return answers;
  call = open(client, path, method, requests, options, answers);
  const opened = call;
  answers.onStop = () => {
    unwatch?.();
    opened.cancel();
  };
  answers.onTake = () => {
    if (answers.length < WINDOW && opened.isPaused()) opened.resume();
  };
  opened.on("data", (answer: object) => {
    answers.push(answer);
    if (answers.length >= WINDOW) opened.pause();
  });
  // grpc-js reports an error at once and the end behind the messages: the reader gets both in that order.
  let failure: BerthError | null = null;
  opened.on("error", (error: ServiceError) => {
    failure = errorFrom(error);
  });
  opened.on("end", () => {
    unwatch?.();
    answers.end(failure);
  });
  return answers;
}

/** A call of any streaming shape, as a duplex stream. */
function open(
  client: GrpcClient,
  path: string,
  method: Method,
  requests: Requests,
  options: CallOptions,
  answers: Inbox<object>,
): ClientDuplexStream<object, object> {
  const serialize = (message: object) => toBuffer(method.input.encode(message));
  const deserialize = (bytes: Buffer) => method.output.decode(bytes);
  const metadata = metadataFor(options);
  if ("one" in requests) {
    const call: ClientReadableStream<object> = client.makeServerStreamRequest(
      path,
      serialize,
      deserialize,
      requests.one,
      metadata,
      deadlineFor(options),
    );
    return call as ClientDuplexStream<object, object>;
  }
  // On the wire a client-streaming call is a bidirectional one with one answer.
  const call = client.makeBidiStreamRequest(path, serialize, deserialize, metadata, deadlineFor(options));
  sendRequests(call, requests.many, answers).catch((error: unknown) => {
    answers.fail(error);
    call.cancel();
  });
  return call;
}

async function sendRequests(
  call: ClientDuplexStream<object, object>,
  requests: AsyncIterable<object>,
  answers: Inbox<object>,
): Promise<void> {
  for await (const request of requests) {
    if (answers.ended || call.destroyed) return;
    if (!call.write(request)) await drainedOrEnded(call);
  }
  call.end();
}

function drainedOrEnded(call: ClientDuplexStream<object, object>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off("drain", done);
      call.off("status", done);
      resolve();
    };
    call.on("drain", done);
    call.on("status", done);
  });
}

function metadataFor(options: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(metadataOf(options, grpcKeys))) metadata.set(key, value);
  return metadata;
}

const deadlineFor = ({ timeoutMs }: CallOptions): { deadline?: number } =>
  timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };

function errorFrom(error: ServiceError | Error): BerthError {
  if (error instanceof BerthError) return error;
  if ("code" in error && typeof error.code === "number") return errorOf({ code: error.code, message: error.details });
  return unavailable(messageOf(error), { cause: error });
}
