import { UsageError } from "./usage-error.ts";

const powers: Readonly<Record<string, number>> = { "": 0, b: 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Bytes of `512m`, `1.5GiB`, `65536`: units are powers of 1024. Throws UsageError. */
export function parseSize(given: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]?)(?:i?b)?$/i.exec(given.trim());
  const power = match === null ? undefined : powers[(match[2] ?? "").toLowerCase()];
  if (match === null || power === undefined)
    throw new UsageError(`${JSON.stringify(given)} is not a size: write it like 65536, 512m or 1.5g`);
  const bytes = Math.round(Number(match[1]) * 1024 ** power);
  if (!Number.isSafeInteger(bytes)) throw new UsageError(`${JSON.stringify(given)} is too large a size`);
  return bytes;
}

/** `1.5 MiB`: three digits at most, for people. */
export function formatSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(value >= 10 ? 1 : 2)} ${units[unit]}`;
}
