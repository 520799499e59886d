import { native } from "berth:native";
import { setNonblocking } from "./descriptors.ts";
import { EAGAIN, EIO } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { type Watch, watch } from "./loop.ts";
import { SystemError } from "./system-error.ts";
import { clearTimer, setTimer, type Timer } from "./timers.ts";

/** Most bytes moved for one readiness: one stream does not starve the others. */
const CAP = 1 << 20;
/**
 * Bytes from which moving pages is better than copying: a page of its own for each short line would fill a pipe of 16 pages
 * with 16 lines.
 */
const SPLICE_FROM = 16 << 10;
const RETRY_MS = 1000;

/** How a step in C ended (pump.c). */
const State = { more: 0, empty: 1, full: 2, end: 3, sourceError: 4, targetError: 5, wait: 6 } as const;

/** Filled by each step: bytes moved, state, errno, whether to splice again. One for all pumps: a step is over when its call returns. */
const result = /* @__PURE__ */ new Int32Array(4);

export interface PumpOptions {
  from: Fd;
  to: Fd;
  /**
   * Called for a write error (EPIPE, ENOSPC…). "stop" ends the pump; "drop" counts the bytes at hand as lost and goes
   * on; "retry" keeps them and tries again after 1 s. Default: "stop".
   */
  onError?: (error: SystemError) => "stop" | "drop" | "retry";
  /**
   * What to write in the place of so many bytes that onError dropped, as soon as the target takes something again: it
   * is tried with the next output, and each second. Default: a gap is silent.
   */
  notice?: (lost: number) => Uint8Array;
  /** How bytes get to the target; default: as they are. */
  sink?: Sink;
}

/** A target that is more than its bytes, like a log of records. Its owner calls `hurry` when it takes bytes again. */
export interface Sink {
  /** As pumpMove of pump.c, which has its result too. */
  move(from: number, to: number, cap: number, result: Int32Array): Uint8Array | null;
  /** How many bytes were taken, or -errno; -EAGAIN: none for now. */
  write(to: number, bytes: Uint8Array): number;
}

/**
 * Moves bytes from one descriptor to another until the source ends: with splice(2) where both allow it, through a C
 * buffer else. Both become non-blocking. Backpressure: while the target is full nothing is read.
 * `ended` resolves once with the reason; the pump closes neither descriptor. It acts only when the loop says that
 * something is ready, so a FIFO that nobody has opened for writing yet is not mistaken for its end.
 */
export class Pump implements Disposable {
  readonly ended: Promise<"end" | "error" | "closed">;
  readonly #from: Fd;
  readonly #to: Fd;
  readonly #onError: NonNullable<PumpOptions["onError"]>;
  readonly #makeNotice: PumpOptions["notice"];
  readonly #sink: Sink | undefined;
  readonly #fromIsTerminal: boolean;
  readonly #source: Watch;
  readonly #target: Watch;
  #resolve: (reason: "end" | "error" | "closed") => void = () => {};
  #splice: boolean;
  #leftover: Uint8Array | null = null;
  /** Dropped, and not told of yet. */
  #unsaid = 0;
  /** What is being written about that. */
  #notice: Uint8Array | null = null;
  #noticeCovers = 0;
  #moved = 0;
  #lost = 0;
  #retry: Timer | null = null;
  #over = false;

  constructor(options: PumpOptions) {
    this.#from = options.from;
    this.#to = options.to;
    this.#onError = options.onError ?? (() => "stop");
    this.#makeNotice = options.notice;
    this.#sink = options.sink;
    setNonblocking(this.#from);
    setNonblocking(this.#to);
    this.#fromIsTerminal = native.isTerminal(this.#from.number);
    this.#splice = !this.#fromIsTerminal && !native.isTerminal(this.#to.number);
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#source = watch(this.#from, { readable: true }, () => this.#step());
    this.#target = watch(this.#to, {}, () => this.#step());
  }

  /** Bytes that have reached the target. */
  get moved(): number {
    return this.#moved;
  }

  /** Bytes that onError gave up with "drop". */
  get lost(): number {
    return this.#lost;
  }

  /** Bytes that lie in the source right now (FIONREAD), and those taken from it that the target has not accepted. */
  waiting(): number {
    const kept = this.#leftover?.length ?? 0;
    if (this.#from.closed) return kept;
    const count = native.waiting(this.#from.number);
    return kept + Math.max(0, count);
  }

  /** Moves at once what lies in the source: for one that surely has a writer, or had. */
  hurry(): void {
    this.#step();
  }

  close(): void {
    this.#finish("closed");
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #step(): void {
    if (this.#over || !this.#flushLeftover() || !this.#flushNotice()) return;
    const state = this.#move();
    if (this.#over) return;
    const errno = result[2] as number;
    // At its cap there is more in the source, whatever was waited for until now.
    if (state === State.more || state === State.empty) this.#waitFor("source");
    else if (state === State.full) this.#waitFor("target");
    else if (state === State.wait) this.#waitFor("neither");
    else if (state === State.end) this.#finish("end");
    else if (state === State.targetError) this.#onTargetError(errno);
    // A pty's master says EIO once the last slave is closed (pty(7) does not, the kernel's tty layer does): its end.
    else if (errno === EIO && this.#fromIsTerminal) this.#finish("end");
    else this.#finish("error");
  }

  #move(): number {
    const from = this.#from.number;
    const to = this.#to.number;
    this.#leftover = this.#sink
      ? this.#sink.move(from, to, CAP, result)
      : native.pumpMove(from, to, CAP, this.#splice ? SPLICE_FROM : 0, result);
    this.#moved += result[0] as number;
    this.#splice = result[3] === 1;
    return result[1] as number;
  }

  #write(bytes: Uint8Array): number {
    const to = this.#to.number;
    const count = this.#sink ? this.#sink.write(to, bytes) : native.write(to, bytes);
    if (count === -EAGAIN) this.#waitFor(this.#sink ? "neither" : "target");
    return count;
  }

  /** Writes what an earlier step could not; true when nothing is left of it. */
  #flushLeftover(): boolean {
    while (this.#leftover !== null) {
      const count = this.#write(this.#leftover);
      if (count === -EAGAIN) return false;
      if (count < 0) {
        this.#onTargetError(-count);
        return false;
      }
      this.#moved += count;
      this.#leftover = count < this.#leftover.length ? this.#leftover.subarray(count) : null;
    }
    return true;
  }

  /** Tells of what was dropped; true when nothing is left to tell. */
  #flushNotice(): boolean {
    if (this.#makeNotice === undefined || (this.#unsaid === 0 && this.#notice === null)) return true;
    if (this.#notice === null) {
      this.#notice = this.#makeNotice(this.#unsaid);
      this.#noticeCovers = this.#unsaid;
    }
    for (let begun = this.#noticeCovers === 0; this.#notice !== null; begun = true) {
      const count = this.#write(this.#notice);
      if (count === -EAGAIN) return false;
      if (count < 0) {
        // More will have been lost by the next time, unless a part of it stands there already.
        if (!begun) this.#notice = null;
        this.#onTargetError(-count);
        return false;
      }
      this.#unsaid -= this.#noticeCovers;
      this.#noticeCovers = 0;
      this.#notice = count < this.#notice.length ? this.#notice.subarray(count) : null;
    }
    return this.#flushNotice();
  }

  #onTargetError(errno: number): void {
    const verdict = this.#onError(new SystemError(errno, "write", this.#to.what));
    if (this.#over) return;
    if (verdict === "stop") this.#finish("error");
    else if (verdict === "retry") this.#rest();
    else this.#drop();
  }

  #rest(): void {
    this.#waitFor("neither");
    this.#tryAgainLater();
  }

  #tryAgainLater(): void {
    this.#retry ??= setTimer(() => {
      this.#retry = null;
      this.#step();
    }, RETRY_MS);
  }

  /** Gives up what is at hand: what was read and not written, and what lies in the source now. */
  #drop(): void {
    let lost = this.#leftover?.length ?? 0;
    this.#leftover = null;
    const count = native.pumpDiscard(this.#from.number, CAP);
    lost += Math.max(0, count);
    this.#lost += lost;
    this.#unsaid += lost;
    if (count === 0) this.#finish("end");
    else if (count > 0 || count === -EAGAIN) {
      this.#waitFor("source");
      if (this.#makeNotice !== undefined) this.#tryAgainLater();
    } else this.#finish(count === -EIO && this.#fromIsTerminal ? "end" : "error");
  }

  #waitFor(side: "source" | "target" | "neither"): void {
    this.#source.update({ readable: side === "source" });
    this.#target.update({ writable: side === "target" });
  }

  #finish(reason: "end" | "error" | "closed"): void {
    if (this.#over) return;
    this.#over = true;
    this.#source.close();
    this.#target.close();
    if (this.#retry !== null) clearTimer(this.#retry);
    this.#lost += this.#leftover?.length ?? 0;
    this.#leftover = null;
    this.#resolve(reason);
  }
}
