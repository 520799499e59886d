// One line that is typed at a terminal which passes on each key as it is (a raw one), or whole lines.

const [CTRL_C, CTRL_D, BACKSPACE, CTRL_U, QUIT, DELETE] = [3, 4, 8, 21, 28, 127];
const [LINE_FEED, RETURN, SPACE] = [10, 13, 32];

/** `open`: more is to come. `end`: the user gave up at an empty line. */
export type LineState = "open" | "done" | "end" | "interrupt";

/** Gathers the line from bytes as they come; what comes behind it is dropped. Control characters are no part of it. */
export class TypedLine {
  #bytes: number[] = [];

  get text(): string {
    return new TextDecoder().decode(new Uint8Array(this.#bytes));
  }

  /** Nothing at all is the terminal's end. */
  feed(chunk: Uint8Array): LineState {
    if (chunk.length === 0) return "end";
    for (const byte of chunk) {
      if (byte === LINE_FEED || byte === RETURN) return "done";
      if (byte === CTRL_C || byte === QUIT) return "interrupt";
      if (byte === CTRL_D) return this.#bytes.length === 0 ? "end" : "done";
      if (byte === CTRL_U) this.#bytes = [];
      else if (byte === BACKSPACE || byte === DELETE) this.#dropLast();
      else if (byte >= SPACE) this.#bytes.push(byte);
    }
    return "open";
  }

  /** A character may be several bytes: those behind its first are 10xxxxxx. */
  #dropLast(): void {
    let byte = this.#bytes.pop();
    while (byte !== undefined && (byte & 0xc0) === 0x80) byte = this.#bytes.pop();
  }
}
