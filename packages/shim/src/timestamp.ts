import type { Timestamp } from "@berth/proto/google/protobuf";

/** A Timestamp of milliseconds since the epoch, with fraction. */
export function timestampOf(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.min(999_999_999, Math.max(0, Math.round((ms - seconds * 1000) * 1_000_000))) };
}

/** Go's zero time, which clients of containerd take for "not set". */
export const noTime: Timestamp = { seconds: -62_135_596_800, nanos: 0 };
