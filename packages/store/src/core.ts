import type { Clock, Labels, Log } from "@berth/base";
import type { BootSession } from "./boot.ts";
import type { Change } from "./changes.ts";
import type { Database } from "./database.ts";
import type { Quarantine } from "./quarantine.ts";
import type { Removals } from "./removals.ts";

/** What the parts of the store share. */
export interface Core {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly root: string;
  /** This boot of the machine. */
  readonly boot: string;
  readonly session: BootSession;
  /** Whether a blob of one namespace may be had by another that names its digest. */
  readonly sharingPolicy: "shared" | "isolated";
  /** Every file of a record that is deleted goes through it. */
  readonly removals: Removals;
  /** For what the start finds and nothing explains. */
  readonly quarantine: Quarantine;
  /** Tells the collector's scheduler; call it inside the transaction. */
  changed(kind: "mutation" | "deletion"): void;
  /** Tells the store's listeners; call it inside the transaction. */
  tell(change: Change): void;
}

export const toLabels = (json: string): Record<string, string> => JSON.parse(json) as Record<string, string>;
export const fromLabels = (labels: Labels): string => JSON.stringify(labels);

/** The value of `labels.x.y…`: parts of an unquoted key are joined again. Null where the label is not there. */
export const labelField = (labels: Labels, rest: readonly string[]): string | null => {
  const key = rest.join(".");
  return Object.hasOwn(labels, key) ? (labels[key] ?? null) : null;
};
