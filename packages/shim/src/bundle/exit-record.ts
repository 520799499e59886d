// A process's end, on disk before anyone is told: what `delete` reports after a shim has died, and what a
// supervisor may read when it comes back.
export interface ExitRecord {
  /** Counts the exits that this shim has seen, from 1. */
  readonly sequence: number;
  readonly container: string;
  /** Empty for init. */
  readonly exec: string;
  readonly pid: number;
  /** 0 to 255, or 128 + signal. */
  readonly status: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The ends of what a Date can hold. */
const LATEST = 8.64e15;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** null where the text is no record. */
export function parseExitRecord(text: string): ExitRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { sequence = 0, container = "", exec = "", pid = 0, status, at } = value as Record<string, unknown>;
  if (!isCount(sequence) || !isCount(pid) || !isCount(status) || status > 255) return null;
  if (typeof at !== "number" || !(Math.abs(at) <= LATEST)) return null;
  if (typeof container !== "string" || typeof exec !== "string") return null;
  return { sequence, container, exec, pid, status, at };
}
