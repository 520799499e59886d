import { canceled } from "@berth/base";

/** The event, or canceled once the signal aborts. */
export function untilAborted<T>(event: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(canceled("the caller has stopped waiting"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    void event.then((value) => {
      signal.removeEventListener("abort", stop);
      resolve(value);
    });
  });
}
