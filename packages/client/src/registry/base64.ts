// Base64 (RFC 4648, section 4), which the client's engine does not have.

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function encodeBase64(bytes: Uint8Array): string {
  let out = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [first = 0, second = 0, third = 0] = bytes.subarray(at, at + 3);
    const bits = (first << 16) | (second << 8) | third;
    for (let digit = 0; digit < 4; digit++)
      out += digit > bytes.length - at ? "=" : alphabet.charAt((bits >> (18 - 6 * digit)) & 63);
  }
  return out;
}

/** Null for what is no base64. As with docker, lines may be broken anywhere and padding must be there. */
export function decodeBase64(text: string): Uint8Array | null {
  const padded = text.replace(/[\r\n]/g, "");
  if (padded.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(padded)) return null;
  const digits = padded.replace(/=/g, "");
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  const valueAt = (at: number): number => alphabet.indexOf(digits.charAt(at));
  for (let i = 0; i < bytes.length; i++) {
    // A byte lies in two digits, which are twelve bits.
    const at = Math.floor((i * 4) / 3);
    bytes[i] = ((valueAt(at) << 6) | valueAt(at + 1)) >> (4 - 2 * (i % 3));
  }
  return bytes;
}
