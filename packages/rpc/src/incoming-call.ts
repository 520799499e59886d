import { type BerthError, canceled, deadlineExceeded, type Log } from "@berth/base";
import type { Metadata, MetadataKeys } from "./metadata.ts";
import type { Call } from "./service-impl.ts";

/** Longest delay that setTimeout takes; a deadline beyond it (24 days) is as good as none. */
const MAX_TIMER = 0x7fffffff;

export interface IncomingCallOptions {
  /** `Service/Method`. */
  readonly method: string;
  readonly metadata: Metadata;
  readonly keys: MetadataKeys;
  readonly log: Log;
  /** Milliseconds until the deadline, null for none; 0 or less has passed already. */
  readonly timeoutMs: number | null;
}

/**
 * The Call of a server. The server opens it, gives it to the handler, tells it when the caller has gone,
 * and ends it when the handler is done. The signal and the log are made when somebody asks for them:
 * most handlers never do, and both cost more than the rest of a call.
 */
export class IncomingCall implements Call {
  readonly method: string;
  readonly metadata: Metadata;
  readonly namespace: string;
  readonly lease: string;
  /** Why the call was aborted, null while it goes on. */
  reason: BerthError | null = null;
  /** Called once, when the call is aborted: for the server itself. */
  onAbort: (() => void) | null = null;
  #controller: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #log: Log;
  #logIsOwn = false;

  constructor(options: IncomingCallOptions) {
    this.method = options.method;
    this.metadata = options.metadata;
    this.namespace = options.metadata[options.keys.namespace] ?? "";
    this.lease = options.metadata[options.keys.lease] ?? "";
    this.#log = options.log;
    const { timeoutMs } = options;
    if (timeoutMs === null || timeoutMs > MAX_TIMER) return;
    if (timeoutMs <= 0) this.#expire();
    else this.#timer = setTimeout(() => this.#expire(), timeoutMs);
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.reason !== null) this.#controller.abort(this.reason);
    }
    return this.#controller.signal;
  }

  get log(): Log {
    if (!this.#logIsOwn) {
      this.#logIsOwn = true;
      const fields =
        this.namespace === "" ? { method: this.method } : { method: this.method, namespace: this.namespace };
      this.#log = this.#log.with(fields);
    }
    return this.#log;
  }

  /** The caller no longer waits. Does nothing the second time. */
  abort(reason: BerthError): void {
    if (this.reason !== null) return;
    this.reason = reason;
    this.end();
    const { onAbort } = this;
    this.onAbort = null;
    onAbort?.();
    this.#controller?.abort(reason);
  }

  /** The handler is done: the deadline means nothing any more. */
  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #expire(): void {
    this.abort(deadlineExceeded(`${this.method}: the deadline has passed`));
  }
}

/** The reason with which a server aborts the calls of a caller that has gone. */
export const callerGone = (method: string): BerthError => canceled(`${method}: the caller has gone`);
