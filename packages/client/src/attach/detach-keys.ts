/**
 * Finds ctrl-p ctrl-q in what is typed. A ctrl-p is held back until the next key tells what it was, so
 * that a detach leaves nothing behind in the container's terminal.
 */
export class DetachKeys {
  #held = false;

  /** What to pass on of these bytes, and whether the keys were seen: what follows them is dropped. */
  feed(bytes: Uint8Array): { readonly pass: Uint8Array; readonly detach: boolean } {
    // Nearly always: nothing held, no ctrl-p among the bytes.
    if (!this.#held && bytes.indexOf(ctrlP) < 0) return { pass: bytes, detach: false };
    const pass: number[] = [];
    for (const byte of bytes) {
      if (this.#held && byte === ctrlQ) return { pass: Uint8Array.from(pass), detach: true };
      if (this.#held) pass.push(ctrlP);
      this.#held = byte === ctrlP;
      if (!this.#held) pass.push(byte);
    }
    return { pass: Uint8Array.from(pass), detach: false };
  }
}

const ctrlP = 0x10;
const ctrlQ = 0x11;
