import { type Log, silent } from "@berth/base";
import type { Method } from "@berth/proto";
import { clientOf, type Requests, type Transport } from "./client-of.ts";
import { Inbox } from "./inbox.ts";
import { callerGone, IncomingCall } from "./incoming-call.ts";
import { grpcKeys } from "./metadata.ts";
import { metadataOf, watchCaller } from "./outgoing-call.ts";
import { failureOf, findRoute, type Route, type Routes, routesOf } from "./routes.ts";
import { sendAll } from "./send-all.ts";
import type { CallOptions, Client, Registration } from "./service-impl.ts";
import { errorOf } from "./status.ts";

/** Messages that wait for a slow reader, each way. */
const WINDOW = 16;

/**
 * A client that calls the registered services inside this process, as if through a wire: messages are
 * encoded and decoded (nobody shares an object), errors pass through the status table.
 */
export function createMemoryClient<S extends { readonly typeName: string; readonly methods: object }>(
  service: S,
  ...registrations: readonly Registration[]
): Client<S> {
  return clientOf(service, memoryTransport(registrations, silent));
}

/** The same for many services, with a log for what fails unexpectedly. */
export function memoryTransport(registrations: readonly Registration[], log: Log): Transport {
  const routes = routesOf(registrations);
  return {
    unary: (service, method, request, options) => unary(routes, log, service, method, request, options),
    stream: (service, method, requests, options) => stream(routes, log, service, method, requests, options),
  };
}

async function unary(
  routes: Routes,
  log: Log,
  service: string,
  method: Method,
  request: object,
  options: CallOptions,
): Promise<object> {
  const route = findRoute(routes, service, method.name);
  const call = openCall(route, options, log);
  return new Promise((resolve, reject) => {
    const forget = watchCaller(route.path, options, (error) => {
      call.abort(error);
      reject(error);
    });
    if (call.reason !== null) return;
    answerOf(route, copy(route.method.input, request), call).then(
      (answer) => {
        forget?.();
        resolve(answer);
      },
      (error: unknown) => {
        forget?.();
        reject(errorOf(failureOf(error, call)));
      },
    );
  });
}

/** The one answer of a unary or client-streaming handler. */
async function answerOf(route: Route, input: unknown, call: IncomingCall): Promise<object> {
  try {
    return copy(route.method.output, (await route.handler(input, call)) as object);
  } finally {
    call.end();
  }
}

function stream(
  routes: Routes,
  log: Log,
  service: string,
  method: Method,
  requests: Requests,
  options: CallOptions,
): AsyncIterable<object> {
  const answers = new Inbox<object>();
  let route: Route;
  try {
    route = findRoute(routes, service, method.name);
  } catch (error) {
    answers.end(error);
    return answers;
  }
  const call = openCall(route, options, log);
  const input = "one" in requests ? copy(method.input, requests.one) : feed(method, requests.many, call);
  const giveUp = (error: Parameters<IncomingCall["abort"]>[0]) => {
    call.abort(error);
    answers.fail(error);
  };
  const forget = watchCaller(route.path, options, giveUp);
  if (call.reason !== null) return answers;
  answers.onStop = () => {
    forget?.();
    call.abort(callerGone(route.path));
  };
  const done = (error: unknown) => {
    forget?.();
    if (error === null) answers.end();
    else if (call.reason === null) answers.end(errorOf(failureOf(error, call)));
    else answers.fail(call.reason);
  };
  run(route, input, call, answers).then(() => done(null), done);
  return answers;
}

async function run(route: Route, input: unknown, call: IncomingCall, answers: Inbox<object>): Promise<void> {
  const { output, kind } = route.method;
  if (kind === "client-streaming") {
    answers.push(await answerOf(route, input, call));
    return;
  }
  try {
    await sendAll(route.handler(input, call) as AsyncIterable<object>, call, (message) => {
      answers.push(copy(output, message));
      return answers.length < WINDOW ? null : roomIn(answers, call);
    });
  } finally {
    call.end();
  }
}

/** What the caller sends, as the handler reads it. */
function feed(method: Method, requests: AsyncIterable<object>, call: IncomingCall): Inbox<object> {
  const inbox = new Inbox<object>();
  call.signal.addEventListener("abort", () => inbox.fail(call.reason), { once: true });
  const pump = async () => {
    for await (const request of requests) {
      if (inbox.ended) return;
      inbox.push(copy(method.input, request));
      if (inbox.length >= WINDOW) await roomIn(inbox, call);
    }
  };
  pump().then(
    () => inbox.end(),
    (error: unknown) => inbox.fail(error),
  );
  return inbox;
}

function roomIn(inbox: Inbox<object>, call: IncomingCall): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      inbox.onTake = null;
      call.signal.removeEventListener("abort", wake);
      resolve();
    };
    inbox.onTake = wake;
    call.signal.addEventListener("abort", wake);
    if (call.signal.aborted || inbox.ended) wake();
  });
}

const copy = (type: Method["input"], message: object): object => type.decode(type.encode(message));

const openCall = (route: Route, options: CallOptions, log: Log): IncomingCall =>
  new IncomingCall({
    method: route.path,
    metadata: metadataOf(options, grpcKeys),
    keys: grpcKeys,
    log,
    // The caller's own watch keeps the deadline.
    timeoutMs: null,
  });
