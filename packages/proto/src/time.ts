import type { Timestamp } from "./gen/google/protobuf.ts";

const PER_SECOND = 1_000_000_000n;

/** A Timestamp of nanoseconds since 1970. */
export function toTimestamp(nanoseconds: bigint): Timestamp {
  // Nanos are never negative: before 1970 they count up from the second before.
  const nanos = ((nanoseconds % PER_SECOND) + PER_SECOND) % PER_SECOND;
  return { seconds: Number((nanoseconds - nanos) / PER_SECOND), nanos: Number(nanos) };
}

/** Nanoseconds since 1970 of a Timestamp. */
export function toNanoseconds(timestamp: Timestamp): bigint {
  return BigInt(timestamp.seconds) * PER_SECOND + BigInt(timestamp.nanos);
}

/** The Date of a Timestamp, rounded down to the millisecond. */
export function toDate(timestamp: Timestamp): Date {
  return new Date(timestamp.seconds * 1000 + Math.floor(timestamp.nanos / 1_000_000));
}

/** A zero Go time (year 1) or an absent timestamp means "not set" to containerd's clients. */
export function isSet(timestamp: Timestamp | null): timestamp is Timestamp {
  return timestamp !== null && (timestamp.seconds > 0 || timestamp.nanos > 0);
}
