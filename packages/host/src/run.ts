import { native } from "berth:native";
import { pipe, read, setNonblocking, write } from "./descriptors.ts";
import type { Fd } from "./fd.ts";
import { watch } from "./loop.ts";
import { isGone } from "./process.ts";
import { type SpawnOptions, spawn } from "./spawn.ts";
import { check, isCode } from "./system-error.ts";
import { clearTimer, setTimer } from "./timers.ts";

export interface RunResult {
  /** 0..255, or 128+signal */
  readonly status: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly timedOut: boolean;
}

export interface RunOptions extends Omit<SpawnOptions, "stdin" | "stdout" | "stderr"> {
  input?: Uint8Array;
  /** Bytes kept of each stream; default 1 MiB. The rest is read and dropped. */
  captureLimit?: number;
  timeoutMs?: number;
  signal?: AbortSignal;
}

const DEFAULT_CAPTURE_LIMIT = 1 << 20;
const CHUNK = 1 << 16;
const SIGKILL = 9;

/**
 * Runs a program to the end. On timeout or abort it is killed, with `setsid` together with what it has started; after an abort the promise rejects with the signal's
 * reason once the program is gone. Only the program's exit is waited for: what a descendant that outlives it still
 * writes is lost.
 */
export async function run(options: RunOptions): Promise<RunResult> {
  const { input, captureLimit = DEFAULT_CAPTURE_LIMIT, timeoutMs, signal, ...rest } = options;
  signal?.throwIfAborted();
  using streams = new DisposableStack();
  const own = (fd: Fd): Fd => streams.use(fd);
  const out = pipe();
  const capturedOut = streams.use(new Capture(own(out.read), captureLimit));
  own(out.write);
  const err = pipe();
  const capturedErr = streams.use(new Capture(own(err.read), captureLimit));
  own(err.write);
  const source = input === undefined ? null : pipe();
  if (source !== null) {
    own(source.read);
    own(source.write);
  }
  const child = spawn({ ...rest, stdin: source?.read ?? null, stdout: out.write, stderr: err.write });
  out.write.close();
  err.write.close();
  source?.read.close();
  if (source !== null && input !== undefined) streams.use(feed(source.write, input));

  const end = () => {
    if (rest.setsid) killGroup(child.pid);
    else child.kill(SIGKILL);
  };
  let timedOut = false;
  const timer =
    timeoutMs === undefined
      ? null
      : setTimer(() => {
          timedOut = true;
          end();
        }, timeoutMs);
  signal?.addEventListener("abort", end);
  try {
    const { status } = await child.exited;
    capturedOut.drain();
    capturedErr.drain();
    signal?.throwIfAborted();
    return { status, stdout: capturedOut.bytes(), stderr: capturedErr.bytes(), timedOut };
  } finally {
    if (timer !== null) clearTimer(timer);
    signal?.removeEventListener("abort", end);
  }
}

/** Nobody being left is fine. */
function killGroup(leader: number): void {
  const result = native.kill(-leader, SIGKILL);
  if (!isGone(result)) check(result, "kill", `group ${leader}`);
}

/** Reads a pipe as it fills, keeping the first `limit` bytes. */
class Capture implements Disposable {
  readonly #fd: Fd;
  readonly #chunks: Uint8Array[] = [];
  readonly #watch: Disposable;
  #room: number;

  constructor(fd: Fd, limit: number) {
    setNonblocking(fd); // our end only: the program's end is another open file
    this.#fd = fd;
    this.#room = limit;
    this.#watch = watch(fd, { readable: true }, () => this.#readSome());
  }

  #readSome(): boolean {
    const chunk = read(this.#fd, CHUNK);
    if (chunk === null) return false;
    if (chunk.length === 0) {
      this.#watch[Symbol.dispose]();
      return false;
    }
    if (this.#room > 0) this.#chunks.push(chunk.subarray(0, this.#room));
    this.#room -= Math.min(this.#room, chunk.length);
    return true;
  }

  /** What lies in the pipe now. A descendant may go on writing: no more than a pipe's worth is taken. */
  drain(): void {
    for (let i = 0; i < 16 && this.#readSome(); i++);
  }

  bytes(): Uint8Array {
    const whole = new Uint8Array(this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}

/** Writes the input as the program takes it, then closes. A program that does not read it all is fine. */
function feed(to: Fd, input: Uint8Array): Disposable {
  setNonblocking(to);
  let rest = input;
  const watching = watch(to, { writable: true }, () => {
    try {
      const count = rest.length === 0 ? 0 : write(to, rest);
      if (count > 0) rest = rest.subarray(count);
    } catch (error) {
      if (!isCode(error, "EPIPE")) throw error;
      rest = rest.subarray(rest.length);
    }
    if (rest.length > 0) return;
    watching.close();
    to.close();
  });
  return watching;
}
