/** A moment: nanoseconds since 1970, UTC. A bigint, for a number holds only 53 bits. */
export type Instant = bigint;

const PER_MS = 1_000_000n;

/** Of milliseconds since 1970, as `Date` counts them. */
export const instantOfMs = (ms: number): Instant => BigInt(Math.floor(ms)) * PER_MS;

/** Milliseconds since 1970, the rest cut off. */
export const msOf = (instant: Instant): number => Number(instant / PER_MS);

/** RFC 3339 with as many digits after the point as it takes, as Go's `time.RFC3339Nano`. */
export function formatInstant(instant: Instant): string {
  const seconds = new Date(msOf(instant)).toISOString().slice(0, -".000Z".length);
  const fraction = String(instant % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${seconds}${fraction === "" ? "" : `.${fraction}`}Z`;
}
