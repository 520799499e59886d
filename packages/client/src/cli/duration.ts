import { UsageError } from "./usage-error.ts";

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `10` (seconds), `1.5s`, `500ms`, `2m30s`. Throws UsageError. */
export function parseDuration(given: string): number {
  const trimmed = given.trim();
  if (/^\d+(?:\.\d+)?$/.test(trimmed)) return Math.round(Number(trimmed) * 1000);
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(trimmed))
    throw new UsageError(`${JSON.stringify(given)} is not a time: write seconds like 10, or 500ms, 2m30s`);
  let total = 0;
  for (const [, number, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    total += Number(number) * (unitMs[unit ?? ""] ?? 0);
  return Math.round(total);
}

const steps: readonly [limitSeconds: number, unitSeconds: number, name: string][] = [
  [60, 1, "second"],
  [60 * 60, 60, "minute"],
  [36 * 3600, 3600, "hour"],
  [14 * 86_400, 86_400, "day"],
  [60 * 86_400, 7 * 86_400, "week"],
  [2 * 365 * 86_400, 30 * 86_400, "month"],
  [Number.POSITIVE_INFINITY, 365 * 86_400, "year"],
];

/** `3 minutes`, of a number of milliseconds: one unit, rounded down. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  for (const [limit, unit, name] of steps) {
    if (seconds >= limit) continue;
    const count = Math.floor(seconds / unit);
    return `${count} ${name}${count === 1 ? "" : "s"}`;
  }
  return "";
}

/** `3 minutes ago`; times of this second and of a clock that runs ahead are `just now`. */
export function formatAgo(then: number, now: number): string {
  return now - then < 1000 ? "just now" : `${formatDuration(now - then)} ago`;
}
