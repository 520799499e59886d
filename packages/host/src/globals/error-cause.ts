// The engine (@suchipi/quickjs 0.16.1) loses 16 bytes with each `new Error(text, { cause })`: a shim that refuses requests
// or whose execs fail would grow for ever. Here the cause is set after construction, which loses nothing.
const Native = Error;

function LeakFreeError(this: unknown, message?: string, options?: { cause?: unknown }): Error {
  const error = Reflect.construct(Native, message === undefined ? [] : [message], new.target ?? Native) as Error;
  if (typeof options === "object" && options !== null && "cause" in options)
    Object.defineProperty(error, "cause", { value: options.cause, writable: true, configurable: true });
  return error;
}

LeakFreeError.prototype = Native.prototype;
Object.defineProperty(Native.prototype, "constructor", { value: LeakFreeError, writable: true, configurable: true });
Object.setPrototypeOf(LeakFreeError, Native);
globalThis.Error = LeakFreeError as unknown as ErrorConstructor;
