import { native } from "berth:native";
import { SystemError } from "./system-error.ts";

const EBADF = 9;

/** An open descriptor that this object owns: it is closed with the object, once. `what` names it in errors. */
export class Fd implements Disposable {
  readonly what: string;
  #number: number;

  constructor(number: number, what: string) {
    this.#number = number;
    this.what = what;
  }

  /** Throws EBADF once closed or released: the number may belong to another file by then. */
  get number(): number {
    if (this.#number < 0) throw new SystemError(EBADF, "use", this.what);
    return this.#number;
  }

  get closed(): boolean {
    return this.#number < 0;
  }

  /** Idempotent. The kernel's answer is not asked for: close(2) leaves nothing to be done about an error. */
  close(): void {
    if (this.#number < 0) return;
    const number = this.#number;
    this.#number = -1;
    native.close(number);
  }

  /** Gives up ownership and returns the number. */
  release(): number {
    const number = this.number;
    this.#number = -1;
    return number;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
