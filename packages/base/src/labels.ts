import { invalidArgument } from "./errors.ts";

export type Labels = Readonly<Record<string, string>>;

/** Longest key and value together, as in containerd. */
const MAX_LABEL_SIZE = 4096;

/** Throws invalid-argument where key and value together exceed 4096 bytes. */
export function checkLabels(labels: Labels): void {
  for (const [key, value] of Object.entries(labels)) {
    const size = new TextEncoder().encode(key).length + new TextEncoder().encode(value).length;
    if (size > MAX_LABEL_SIZE) {
      throw invalidArgument(
        `label key and value length (${size} bytes) is over the maximum of ${MAX_LABEL_SIZE} bytes, key: ${key.slice(0, 64)}`,
      );
    }
  }
}

/** The labels without those that are empty: an empty value is not stored. */
export function withoutEmpty(labels: Labels): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ""));
}

/** On leases that are no longer than one piece of work of the supervisor: a new supervisor drops those it finds. */
export const TEMPORARY_LEASE = "berth.temporary";
