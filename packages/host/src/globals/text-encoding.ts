import { native } from "berth:native";

/** UTF-8 only (encoding.spec.whatwg.org). */
export class TextEncoder {
  readonly encoding = "utf-8";

  encode(text = ""): Uint8Array {
    return native.encodeUtf8(String(text));
  }
}

/** How many bytes at the end begin a character whose rest has not come yet. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}

function bytesOf(input: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(input)
    ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
    : new Uint8Array(input);
}

/** UTF-8 only; any other label is refused. */
export class TextDecoder {
  readonly encoding = "utf-8";
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  #kept: Uint8Array | null = null;
  #begun = false;

  constructor(label = "utf-8", options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    if (!/^\s*(unicode-1-1-)?utf-?8\s*$/i.test(label))
      throw new RangeError(`encoding ${label} is not supported: use utf-8`);
    this.fatal = options.fatal ?? false;
    this.ignoreBOM = options.ignoreBOM ?? false;
  }

  decode(input?: ArrayBuffer | ArrayBufferView, options: { stream?: boolean } = {}): string {
    let bytes = input === undefined ? new Uint8Array(0) : bytesOf(input);
    if (this.#kept !== null) {
      const joined = new Uint8Array(this.#kept.length + bytes.length);
      joined.set(this.#kept);
      joined.set(bytes, this.#kept.length);
      bytes = joined;
      this.#kept = null;
    }
    if (options.stream) {
      const cut = bytes.length - unfinished(bytes);
      if (cut < bytes.length) this.#kept = bytes.slice(cut);
      bytes = bytes.subarray(0, cut);
    }
    const text = native.decodeUtf8(bytes, this.fatal);
    if (text === null) throw new TypeError("the bytes are not valid UTF-8");
    const first = !this.#begun;
    this.#begun = options.stream === true && (this.#begun || text.length > 0);
    return first && !this.ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}
