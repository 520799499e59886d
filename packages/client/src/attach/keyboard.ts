import { type Fd, isCode, read, type Watch, watch, write } from "@berth/host";
import { DetachKeys } from "./detach-keys.ts";

/** Passes on what is typed at a terminal, looking for the keys that detach. Few bytes, so they may pass through here. */
export class Keyboard implements Disposable {
  readonly #from: Fd;
  readonly #to: Fd;
  readonly #keys = new DetachKeys();
  readonly #source: Watch;
  readonly #target: Watch;
  readonly #onEnd: (reason: "detach" | "end") => void;
  #waiting: Uint8Array = new Uint8Array(0);

  /** `onEnd` is called once, for the keys or the end of the input; it closes the descriptors. */
  constructor(from: Fd, to: Fd, onEnd: (reason: "detach" | "end") => void) {
    this.#from = from;
    this.#to = to;
    this.#onEnd = onEnd;
    this.#source = watch(from, { readable: true }, () => this.#receive());
    this.#target = watch(to, {}, () => this.#flush());
  }

  [Symbol.dispose](): void {
    this.#source.close();
    this.#target.close();
  }

  #receive(): void {
    let typed: Uint8Array | null;
    try {
      typed = read(this.#from, 4096);
    } catch (error) {
      if (!isCode(error, "EIO")) throw error;
      typed = new Uint8Array(0); // the terminal has gone
    }
    if (typed === null) return;
    if (typed.length === 0) {
      this.#end("end");
      return;
    }
    const { pass, detach } = this.#keys.feed(typed);
    this.#waiting = pass;
    this.#flush();
    if (detach) this.#end("detach");
  }

  /** While the process does not read, nothing more is taken from the terminal. */
  #flush(): void {
    try {
      while (this.#waiting.length > 0) {
        const count = write(this.#to, this.#waiting);
        if (count < 0) break;
        this.#waiting = this.#waiting.subarray(count);
      }
    } catch (error) {
      if (!isCode(error, "EPIPE")) throw error;
      this.#end("end");
      return;
    }
    this.#source.update({ readable: this.#waiting.length === 0 });
    this.#target.update({ writable: this.#waiting.length > 0 });
  }

  #end(reason: "detach" | "end"): void {
    this[Symbol.dispose]();
    this.#onEnd(reason);
  }
}
