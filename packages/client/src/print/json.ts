// Messages as JSON for scripts: times in RFC 3339, bytes in base64, names as in the API's JSON mapping.
import { isSet, toDate } from "@berth/proto";
import type { Timestamp } from "@berth/proto/google/protobuf";

/** RFC 3339 with milliseconds; null where the time is not set. */
export const jsonTime = (time: Timestamp | null): string | null => (isSet(time) ? toDate(time).toISOString() : null);

/** A decoded message as a value for JSON.stringify. */
export function jsonValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return base64(value);
  if (Array.isArray(value)) return value.map(jsonValue);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (isTimestamp(value)) return jsonTime(value);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, jsonValue(member)]));
}

const isTimestamp = (value: object): value is Timestamp =>
  "seconds" in value && "nanos" in value && Object.keys(value).length === 2;

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function base64(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3);
    const group = (a << 16) | (b << 8) | c;
    out += alphabet.charAt(group >> 18) + alphabet.charAt((group >> 12) & 63);
    out += i + 1 < bytes.length ? alphabet.charAt((group >> 6) & 63) : "=";
    out += i + 2 < bytes.length ? alphabet.charAt(group & 63) : "=";
  }
  return out;
}
