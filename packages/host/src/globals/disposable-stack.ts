// ECMAScript's explicit resource management: the classes that the engine lacks and that esbuild's lowering does not bring.

/** Two errors, one of disposing and one that it would have hidden. */
export class SuppressedError extends Error {
  override name = "SuppressedError";
  readonly error: unknown;
  readonly suppressed: unknown;

  constructor(error: unknown, suppressed: unknown, message = "an error was suppressed while disposing") {
    super(message);
    this.error = error;
    this.suppressed = suppressed;
  }
}

/** The error to throw after one more has come. */
class Failures {
  any = false;
  error: unknown;

  add(error: unknown): void {
    this.error = this.any ? new SuppressedError(error, this.error) : error;
    this.any = true;
  }

  throwIfAny(): void {
    if (this.any) throw this.error;
  }
}

abstract class Stack<Result> {
  protected callbacks: (() => Result)[] | null = [];

  get disposed(): boolean {
    return this.callbacks === null;
  }

  protected open(): (() => Result)[] {
    if (this.callbacks === null) throw new ReferenceError("the stack was disposed or moved");
    return this.callbacks;
  }

  defer(callback: () => Result): void {
    this.open().push(callback);
  }

  adopt<T>(value: T, dispose: (value: T) => Result): T {
    this.open().push(() => dispose(value));
    return value;
  }
}

export class DisposableStack extends Stack<void> implements Disposable {
  use<T extends Disposable | null | undefined>(value: T): T {
    const callbacks = this.open();
    if (value === null || value === undefined) return value;
    const dispose = value[Symbol.dispose];
    if (typeof dispose !== "function") throw new TypeError("the value is not disposable");
    callbacks.push(() => dispose.call(value));
    return value;
  }

  move(): DisposableStack {
    const moved = new DisposableStack();
    moved.callbacks = this.open();
    this.callbacks = null;
    return moved;
  }

  dispose(): void {
    const callbacks = this.callbacks ?? [];
    this.callbacks = null;
    const failures = new Failures();
    for (const callback of callbacks.reverse()) {
      try {
        callback();
      } catch (error) {
        failures.add(error);
      }
    }
    failures.throwIfAny();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

export class AsyncDisposableStack extends Stack<unknown> implements AsyncDisposable {
  use<T extends Disposable | AsyncDisposable | null | undefined>(value: T): T {
    const callbacks = this.open();
    if (value === null || value === undefined) return value;
    const dispose = (value as AsyncDisposable)[Symbol.asyncDispose] ?? (value as Disposable)[Symbol.dispose];
    if (typeof dispose !== "function") throw new TypeError("the value is not disposable");
    callbacks.push(() => dispose.call(value));
    return value;
  }

  move(): AsyncDisposableStack {
    const moved = new AsyncDisposableStack();
    moved.callbacks = this.open();
    this.callbacks = null;
    return moved;
  }

  async disposeAsync(): Promise<void> {
    const callbacks = this.callbacks ?? [];
    this.callbacks = null;
    const failures = new Failures();
    for (const callback of callbacks.reverse()) {
      try {
        await callback();
      } catch (error) {
        failures.add(error);
      }
    }
    failures.throwIfAny();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.disposeAsync();
  }
}
