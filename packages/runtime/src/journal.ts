// Our own record in each bundle, written before a shim is launched. Whatever happens to us afterwards, who
// comes next knows from it what may be running and how far it had come.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Instant, instantOfMs } from "@berth/base";
import type { ProcessIdentity } from "./process-identity.ts";

export interface Journal {
  readonly version: 1;
  /** Nothing of another boot is alive. */
  readonly bootId: string;
  /** In the environment of everything that the launch has started. */
  readonly launchId: string;
  /** Path of the shim. */
  readonly shim: string;
  /** `launching` until Create has been answered: until then nobody was told, and it is all undone. */
  readonly phase: "launching" | "created";
  readonly address: string;
  /** Version of the task service: 2 or 3. */
  readonly api: number;
  readonly shimProcess: ProcessIdentity | null;
  readonly init: ProcessIdentity | null;
  /** Init's exit, once it was published. */
  readonly exit: { readonly pid: number; readonly status: number; readonly at: Instant } | null;
}

const FILE = "berth.json";

/** Replaces the journal at once: a reader sees the old or the new one. The directory is a tmpfs, so no fsync. */
export function writeJournal(bundle: string, journal: Journal): void {
  const temporary = join(bundle, `.${FILE}`);
  writeFileSync(
    temporary,
    JSON.stringify(journal, (_, value) => (typeof value === "bigint" ? String(value) : value)),
    { mode: 0o600 },
  );
  renameSync(temporary, join(bundle, FILE));
}

/** The journal of a bundle, or null where there is none (containerd made the bundle, or we died before it). */
export function readJournal(bundle: string): Journal | null {
  let text: string;
  try {
    text = readFileSync(join(bundle, FILE), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const journal = JSON.parse(text, (key, value) => (key === "at" ? instantIn(value) : value)) as Journal;
    if (journal.version === 1 && typeof journal.launchId === "string" && typeof journal.shim === "string")
      return journal;
  } catch {
    // Not JSON: as good as none.
  }
  return null;
}

/** A journal of version 0.1 has milliseconds; later ones the digits of nanoseconds, which no JSON number holds. */
function instantIn(value: unknown): Instant {
  return typeof value === "number" ? instantOfMs(value) : BigInt(String(value));
}
