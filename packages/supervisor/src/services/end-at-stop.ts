import { unavailable } from "@berth/base";
import type { Call, Handler, Interceptor } from "@berth/rpc";

/**
 * Methods that wait for what others do, however long it takes, end with unavailable as soon as berthd stops: nobody
 * waits for them, and their callers connect again. They must heed their call's signal. `waiting` is their names by service.
 */
export const endAtStop =
  (stopping: AbortSignal, waiting: ReadonlyMap<string, readonly string[]>): Interceptor =>
  (handler, { service, method }) => {
    if (waiting.get(service)?.includes(method.name) !== true) return handler;
    return method.kind === "unary" ? endingCall(handler, stopping) : endingStream(handler, stopping);
  };

function endingCall(handler: Handler, stopping: AbortSignal): Handler {
  return async (request, call) => {
    try {
      return await handler(request, until(call, stopping));
    } catch (error) {
      throw stopping.aborted ? shuttingDown() : error;
    }
  };
}

/** The handler is called at once: a subscription begins with the call, not with its first message. */
function endingStream(handler: Handler, stopping: AbortSignal): Handler {
  return (request, call) => messagesOf(handler(request, until(call, stopping)) as AsyncIterable<unknown>, stopping);
}

async function* messagesOf(messages: AsyncIterable<unknown>, stopping: AbortSignal): AsyncGenerator<unknown> {
  try {
    yield* messages;
  } catch (error) {
    throw stopping.aborted ? shuttingDown() : error;
  }
  if (stopping.aborted) throw shuttingDown();
}

const shuttingDown = (): Error => unavailable("berthd is shutting down: try again");

/** The same call, which is aborted at the stop as well. */
const until = (call: Call, stopping: AbortSignal): Call => ({
  method: call.method,
  namespace: call.namespace,
  lease: call.lease,
  metadata: call.metadata,
  signal: AbortSignal.any([call.signal, stopping]),
  log: call.log,
});
