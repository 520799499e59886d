import type { Clock, Log } from "@berth/base";
import type { GcSchedule } from "./gc/schedule.ts";
import type { Store } from "./types.ts";

/** Whether a blob that one namespace holds may be had by another that names its digest. */
export type SharingPolicy = "shared" | "isolated";

export interface StoreOptions {
  /** Directory that everything is kept under; made (0711) where it is absent. One process at a time. */
  readonly root: string;
  readonly clock: Clock;
  readonly log: Log;
  /** What differs from the default schedule of the collector. */
  readonly gc?: Partial<GcSchedule>;
  /** Default: shared. */
  readonly sharingPolicy?: SharingPolicy;
}

export async function openStore(_options: StoreOptions): Promise<Store> {
  throw new Error("not there yet");
}
