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

/** null where the text is no record. */
export function parseExitRecord(text: string): ExitRecord | null {
  let value: Partial<ExitRecord>;
  try {
    value = JSON.parse(text) as Partial<ExitRecord>;
  } catch {
    return null;
  }
  const { sequence = 0, container = "", exec = "", pid = 0, status, at } = value;
  if (typeof status !== "number" || typeof at !== "number") return null;
  return { sequence, container, exec, pid, status, at };
}
