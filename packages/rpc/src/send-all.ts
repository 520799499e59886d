import type { IncomingCall } from "./incoming-call.ts";

/**
 * Sends what a streaming handler yields, one after the other, waiting where `send` returns a promise.
 * Ends when the handler does; throws what it throws. Once the call is aborted nothing more is sent: the
 * handler is asked to return, and the reason is thrown.
 */
export async function sendAll(
  answers: AsyncIterable<object>,
  call: IncomingCall,
  send: (message: object) => Promise<void> | null,
): Promise<void> {
  const iterator = answers[Symbol.asyncIterator]();
  for (;;) {
    const result = await iterator.next();
    if (result.done) return;
    if (call.reason === null) await send(result.value);
    if (call.reason !== null) {
      await iterator.return?.();
      throw call.reason;
    }
  }
}
