import { setTimer } from "../timers.ts";
import { uncaught } from "../uncaught.ts";

type Listener = ((event: { type: "abort"; target: AbortSignal }) => void) | { handleEvent(event: unknown): void };

function named(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}

const secret = {};

/** The part of dom.spec.whatwg.org's AbortSignal that programs use; the only event is "abort". */
export class AbortSignal {
  #aborted = false;
  #reason: unknown;
  #listeners: Listener[] = [];
  onabort: ((event: { type: "abort"; target: AbortSignal }) => void) | null = null;

  constructor(key: unknown) {
    if (key !== secret) throw new TypeError("an AbortSignal comes from an AbortController");
  }

  static abort(reason: unknown = named("AbortError", "the operation was aborted")): AbortSignal {
    const signal = new AbortSignal(secret);
    signal.#abort(reason);
    return signal;
  }

  /** Aborts after so many milliseconds; does not keep the loop running. */
  static timeout(delay: number): AbortSignal {
    const signal = new AbortSignal(secret);
    setTimer(() => signal.#abort(named("TimeoutError", "the operation timed out")), delay).unref();
    return signal;
  }

  /** Aborts with the first of the signals; from then on it listens to none of them. */
  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const joined = new AbortSignal(secret);
    const sources = [...signals];
    const done = sources.find((signal) => signal.aborted);
    if (done !== undefined) {
      joined.#abort(done.reason);
      return joined;
    }
    const onAbort = (event: { target: AbortSignal }) => {
      for (const source of sources) source.removeEventListener("abort", onAbort);
      joined.#abort(event.target.reason);
    };
    for (const source of sources) source.addEventListener("abort", onAbort, { once: true });
    return joined;
  }

  /** For AbortController. */
  static make(): { signal: AbortSignal; abort: (reason: unknown) => void } {
    const signal = new AbortSignal(secret);
    return { signal, abort: (reason) => signal.#abort(reason ?? named("AbortError", "the operation was aborted")) };
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason;
  }

  /** An abort comes once, so the option `once` changes nothing. */
  addEventListener(type: "abort", listener: Listener, _options?: { once?: boolean } | boolean): void {
    if (type !== "abort" || this.#aborted) return;
    if (!this.#listeners.includes(listener)) this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: Listener): void {
    this.#listeners = this.#listeners.filter((entry) => entry !== listener);
  }

  #abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    const event = { type: "abort" as const, target: this };
    if (this.onabort !== null) this.#listeners.unshift(this.onabort);
    for (;;) {
      // One at a time: a listener may remove those that come after it.
      const listener = this.#listeners.shift();
      if (listener === undefined) return;
      try {
        if (typeof listener === "function") listener.call(this, event);
        else listener.handleEvent(event);
      } catch (error) {
        uncaught(error);
      }
    }
  }
}

export class AbortController {
  readonly signal: AbortSignal;
  readonly #abort: (reason: unknown) => void;

  constructor() {
    const made = AbortSignal.make();
    this.signal = made.signal;
    this.#abort = made.abort;
  }

  abort(reason?: unknown): void {
    this.#abort(reason);
  }
}
