import type { ByteStream } from "./byte-stream.ts";

/** Resolves when the stream is drained or closed, or the signal is aborted. */
export function drainedOrAborted(stream: ByteStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done);
    void stream.drained().then(done);
    if (signal.aborted) done();
  });
}
