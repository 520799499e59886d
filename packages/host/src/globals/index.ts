// What programs expect to find without importing it. The build puts this before every program's entry.
import "./dispose-symbols.ts";
import { clearTimer, setTimer, Timer } from "../timers.ts";
import { uncaught } from "../uncaught.ts";
import { AbortController, AbortSignal } from "./abort.ts";
import { AsyncDisposableStack, DisposableStack, SuppressedError } from "./disposable-stack.ts";
import { TextDecoder, TextEncoder } from "./text-encoding.ts";

const provided: Record<string, unknown> = {
  TextEncoder,
  TextDecoder,
  AbortController,
  AbortSignal,
  DisposableStack,
  AsyncDisposableStack,
  SuppressedError,
  setTimeout: (run: (...args: unknown[]) => void, delay = 0, ...args: unknown[]) =>
    setTimer(() => run(...args), Number(delay)),
  clearTimeout: (timer: unknown) => {
    if (timer instanceof Timer) clearTimer(timer);
  },
  queueMicrotask: (run: () => void) => {
    void Promise.resolve().then(() => {
      try {
        run();
      } catch (error) {
        uncaught(error);
      }
    });
  },
};

for (const [name, value] of Object.entries(provided)) {
  if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
}
