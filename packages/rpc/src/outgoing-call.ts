import { BerthError, canceled, deadlineExceeded } from "@berth/base";
import { type Metadata, type MetadataKeys, newMetadata } from "./metadata.ts";
import type { CallOptions } from "./service-impl.ts";

const MAX_TIMER = 0x7fffffff;

/** The metadata that a caller's options ask for, keys in lower case. */
export function metadataOf(options: CallOptions, keys: MetadataKeys): Metadata {
  const metadata = newMetadata();
  if (options.metadata !== undefined)
    for (const [key, value] of Object.entries(options.metadata)) metadata[key.toLowerCase()] = value;
  if (options.namespace !== undefined && options.namespace !== "") metadata[keys.namespace] = options.namespace;
  if (options.lease !== undefined && options.lease !== "") metadata[keys.lease] = options.lease;
  return metadata;
}

/**
 * Calls `onGiveUp` once when the caller's signal is aborted or its deadline passes: at once where that
 * has happened already. Returns what forgets both, or null where there is nothing to wait for.
 */
export function watchCaller(
  path: string,
  { signal, timeoutMs }: CallOptions,
  onGiveUp: (error: BerthError) => void,
): (() => void) | null {
  if (signal?.aborted) {
    onGiveUp(canceledBy(path, signal));
    return null;
  }
  if (timeoutMs !== undefined && timeoutMs <= 0) {
    onGiveUp(lateError(path, timeoutMs));
    return null;
  }
  const limited = timeoutMs !== undefined && timeoutMs <= MAX_TIMER;
  if (signal === undefined && !limited) return null;
  const onAbort = () => {
    forget();
    onGiveUp(canceledBy(path, signal as AbortSignal));
  };
  const onLate = () => {
    forget();
    onGiveUp(lateError(path, timeoutMs as number));
  };
  signal?.addEventListener("abort", onAbort);
  const timer = limited ? setTimeout(onLate, timeoutMs) : null;
  const forget = () => {
    if (timer !== null) clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  };
  return forget;
}

function canceledBy(path: string, signal: AbortSignal): BerthError {
  const { reason } = signal as { reason: unknown };
  if (reason instanceof BerthError) return reason;
  if (reason instanceof Error && reason.name === "TimeoutError")
    return deadlineExceeded(`${path}: the deadline has passed`, { cause: reason });
  return canceled(`${path}: canceled by the caller`, { cause: reason });
}

const lateError = (path: string, timeoutMs: number): BerthError =>
  deadlineExceeded(`${path}: no answer within ${timeoutMs} ms`);
