import type { Timestamp } from "./gen/google/protobuf.ts";

/** A Timestamp of a Date; milliseconds are all that a Date has. */
export function toTimestamp(date: Date): Timestamp {
  const ms = date.getTime();
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1_000_000) };
}

/** The Date of a Timestamp, rounded down to the millisecond. */
export function toDate(timestamp: Timestamp): Date {
  return new Date(timestamp.seconds * 1000 + Math.floor(timestamp.nanos / 1_000_000));
}

/** A zero Go time (year 1) or an absent timestamp means "not set" to containerd's clients. */
export function isSet(timestamp: Timestamp | null): timestamp is Timestamp {
  return timestamp !== null && (timestamp.seconds > 0 || timestamp.nanos > 0);
}
