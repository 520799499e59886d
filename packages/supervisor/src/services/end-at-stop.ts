import { unavailable } from "@berth/base";
import type { Method } from "@berth/proto";
import type { Call, Registration } from "@berth/rpc";

type Handler = (request: unknown, call: Call) => unknown;

/**
 * Methods that wait for what others do, however long it takes, end with unavailable as soon as berthd stops: nobody
 * waits for them, and their callers connect again. They must heed their call's signal.
 */
export function endAtStop(
  { service, impl }: Registration,
  names: readonly string[],
  stopping: AbortSignal,
): Registration {
  const ended = Object.fromEntries(
    names.map((name) => [name, ending(service.methods[name] as Method, (impl[name] as Handler).bind(impl), stopping)]),
  );
  return { service, impl: { ...impl, ...ended } };
}

function ending(method: Method, handler: Handler, stopping: AbortSignal): Handler {
  if (method.kind === "unary")
    return async (request, call) => {
      try {
        return await handler(request, until(call, stopping));
      } catch (error) {
        throw stopping.aborted ? shuttingDown() : error;
      }
    };
  // The handler is called at once: a subscription begins with the call, not with its first message.
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
