// File names are bytes, strings are not. Names are read as UTF-8; a byte that is not becomes a lone surrogate
// U+DC00 + byte (Python's "surrogateescape"), and turns into that byte again on the way out.

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

export function decodeName(bytes: Uint8Array): string {
  if (bytes.length === 0) return "";
  try {
    return decoder.decode(bytes);
  } catch {
    return escaped(bytes);
  }
}

export function encodeName(name: string): Uint8Array {
  if (!/[\uDC80-\uDCFF]/.test(name)) return encoder.encode(name);
  const parts: number[] = [];
  for (const character of name) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0xdc80 && code <= 0xdcff) parts.push(code - 0xdc00);
    else parts.push(...encoder.encode(character));
  }
  return Uint8Array.from(parts);
}

function escaped(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] ?? 0;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    let part = String.fromCharCode(0xdc00 + first);
    let taken = 1;
    try {
      if (at + length <= bytes.length) {
        part = decoder.decode(bytes.subarray(at, at + length));
        taken = length;
      }
    } catch {
      // Not a sequence of UTF-8: the first byte is escaped and the next one tried.
    }
    text += part;
    at += taken;
  }
  return text;
}
