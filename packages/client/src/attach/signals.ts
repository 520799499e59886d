// What happens to signals that this program gets while it stands for a process in a container.
import { onSignal, signalNumber } from "@berth/host";
import { leave } from "../session/leave.ts";

/** The user wanted out before there was a process to tell. */
export class Interrupted extends Error {
  override name = "Interrupted";
  readonly signal: number;
  constructor(signal: number) {
    super(`interrupted by signal ${signal}`);
    this.signal = signal;
  }
}

const [SIGHUP, SIGINT, SIGQUIT, SIGTERM] = [1, 2, 3, 15];
const names = ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2"];
const ending: readonly number[] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
/** So many requests to end are answered with the one that cannot be ignored. */
const insistence = 3;
/** A process that handles an interrupt has ended by then, and nothing needs to be said. */
const GOES_ON_MS = 500;

export interface SignalsDeps {
  /** Called when the user has asked the process to end for the third time; the sixth ends the program. */
  kill(): void;
  /** Tells the user, in a sentence. */
  say(sentence: string): void;
  /** Why a process may not heed an interrupt, as the end of a clause; empty: nothing is known. */
  readonly why: string;
}

/**
 * Until `forward` is called (there is no process yet), a signal that ends makes `guard` throw Interrupted, and a second one ends the program.
 * From then on every signal goes to the process.
 */
export class Signals {
  #send: ((signal: number) => void) | null = null;
  #interrupted: number | null = null;
  #interrupt: (error: Interrupted) => void = () => {};
  readonly #interruption: Promise<never>;
  #requests = 0;
  readonly #deps: SignalsDeps;

  constructor(deps: SignalsDeps) {
    this.#deps = deps;
    this.#interruption = new Promise((_, reject) => {
      this.#interrupt = reject;
    });
    this.#interruption.catch(() => {});
    for (const name of names) {
      const signal = signalNumber(name);
      if (signal !== null) onSignal(signal, () => this.#receive(signal));
    }
  }

  /** The promise, unless an interrupt comes first: throws Interrupted. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([this.#interruption, promise]);
  }

  forward(send: (signal: number) => void): void {
    this.#send = send;
  }

  /** A person at the keyboard sees nothing happen otherwise. */
  #explain(): void {
    const { say, why } = this.#deps;
    if (this.#requests === 1)
      setTimeout(() => {
        if (this.#requests === 1) say(`the interrupt was passed on and the process goes on${why}; two more kill it`);
      }, GOES_ON_MS);
    if (this.#requests === 2) say("one more interrupt kills it");
  }

  #receive(signal: number): void {
    if (this.#send !== null) {
      this.#send(signal);
      if (signal !== SIGINT && signal !== SIGTERM) return;
      this.#requests++;
      if (signal === SIGINT) this.#explain();
      if (this.#requests === insistence) this.#deps.kill();
      // Not even that was heard: the supervisor may be stuck.
      if (this.#requests === 2 * insistence) leave(128 + signal);
    } else if (ending.includes(signal)) {
      if (this.#interrupted !== null) leave(128 + signal);
      this.#interrupted = signal;
      this.#interrupt(new Interrupted(signal));
    }
  }
}
