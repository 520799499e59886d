import { formatSize } from "../cli/size.ts";
import { StatusLine } from "./status-line.ts";

const intervalMs = 100;

/** One line on a terminal that says how much of an archive has been read or written. */
export class TransferProgress {
  readonly #name: string;
  readonly #size: number | null;
  readonly #line: StatusLine;
  readonly #now: () => number;
  #sent = 0;
  #shownAt = 0;

  /** `size` in bytes; null where nobody knows. */
  constructor(name: string, size: number | null, print: (text: string) => void, now: () => number) {
    this.#name = name;
    this.#size = size;
    this.#line = new StatusLine(print);
    this.#now = now;
  }

  add(bytes: number): void {
    this.#sent += bytes;
    const now = this.#now();
    if (now - this.#shownAt < intervalMs) return;
    this.#shownAt = now;
    const share = this.#size === null || this.#size === 0 ? "" : ` of ${formatSize(this.#size)}, ${this.#percent()} %`;
    this.#show(`${formatSize(this.#sent)}${share}`);
  }

  /** Everything was sent; the supervisor is at work. */
  unpacking(): void {
    this.#show(`${formatSize(this.#sent)}, unpacking`);
  }

  clear(): void {
    this.#line.clear();
  }

  #percent(): number {
    return Math.min(100, Math.floor((this.#sent * 100) / (this.#size ?? 1)));
  }

  #show(state: string): void {
    this.#line.show(this.#name, state);
  }
}
