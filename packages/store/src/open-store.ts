import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Clock, invalidArgument, type Log } from "@berth/base";
import { bootId, openBootSession } from "./boot.ts";
import { containerStore } from "./containers.ts";
import { openBlobs } from "./content/blobs.ts";
import { openIngests } from "./content/ingests.ts";
import { openContentLayout } from "./content/layout.ts";
import { contentStore } from "./content/store.ts";
import type { Core } from "./core.ts";
import { type Database, openDatabase } from "./database.ts";
import { type ScheduledCollector, startCollector } from "./gc/collector.ts";
import { defaultGcSchedule, type GcSchedule } from "./gc/schedule.ts";
import { sweep } from "./gc/sweep.ts";
import { imageStore } from "./images.ts";
import { leaseStore } from "./leases.ts";
import { namespaceStore } from "./namespaces.ts";
import type { LayerLayout } from "./snapshots/layer-layout.ts";
import { nativeLayout } from "./snapshots/native.ts";
import { overlayLayout } from "./snapshots/overlay.ts";
import { overlaySupport } from "./snapshots/overlay-support.ts";
import { type LocalSnapshotter, openSnapshotter } from "./snapshots/snapshotter.ts";
import { openTrash } from "./trash.ts";
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

/**
 * Opens what is kept under a root, or begins it. What a crash left half done is put right before this resolves;
 * files that nobody knows are deleted in the background. Throws unavailable where another process has the root.
 */
export async function openStore({ root, clock, log, gc, sharingPolicy = "shared" }: StoreOptions): Promise<Store> {
  mkdirSync(root, { recursive: true, mode: 0o711 });
  const db = openDatabase(join(root, "io.berth.metadata.v1.sqlite", "meta.db"), root);
  try {
    return await assemble(db, { root, clock, log, gc: { ...defaultGcSchedule, ...gc }, sharingPolicy });
  } catch (error) {
    db.close();
    throw error;
  }
}

async function assemble(
  db: Database,
  options: Required<Omit<StoreOptions, "gc">> & { gc: GcSchedule },
): Promise<Store> {
  const { root, clock, log, gc, sharingPolicy } = options;
  const boot = bootId();
  const session = openBootSession(db, boot);
  if (session.suspects > 0)
    log.warn("the machine went down uncleanly: blobs are verified before their use", { count: session.suspects });

  let collector: ScheduledCollector | null = null;
  const changed: Core["changed"] = (kind) => db.afterCommit(() => collector?.changed(kind));
  const core: Core = { db, clock, log, root, boot, session, sharingPolicy, changed };

  const layout = openContentLayout(root);
  const contentTrash = openTrash(layout.trash, core);
  const blobs = openBlobs(core, layout, contentTrash);
  const ingests = openIngests(core, layout, blobs, contentTrash);

  const support = await overlaySupport(core);
  const layouts = [...(support.works ? [overlayLayout(root, support)] : []), nativeLayout(root)];
  const numbers = snapshotNumbers(db, layouts);
  const snapshotters = new Map<string, LocalSnapshotter>();
  for (const one of layouts) snapshotters.set(one.name, openSnapshotter(core, one, numbers));

  const emptied = async (): Promise<void> => {
    await Promise.all([contentTrash.empty(), ...[...snapshotters.values()].map(({ trash }) => trash.empty())]);
    db.refill();
  };
  const collecting = startCollector(gc, log, () => sweep({ core, blobs, ingests, snapshotters }), emptied);
  collector = collecting;

  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closed ??= (async () => {
      await collecting[Symbol.asyncDispose]();
      await emptied();
      session.end();
      db.close();
    })();
    return closed;
  };

  return {
    namespaces: namespaceStore(core),
    containers: containerStore(core),
    images: imageStore(core),
    content: contentStore(core, blobs, ingests),
    leases: leaseStore(core),
    collector: collecting.api,
    snapshotters: [...snapshotters.keys()],
    snapshotter(name) {
      if (name === "") throw invalidArgument("snapshotter argument missing");
      const found = snapshotters.get(name);
      if (!found) throw invalidArgument(`snapshotter not loaded: ${name}`);
      return found.api;
    },
    transaction: (change, effect) => db.transaction(change, effect),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Numbers that no snapshot has had: above every record ever made and every directory that is there. */
function snapshotNumbers(db: Database, layouts: readonly LayerLayout[]): { next(): number } {
  let last = db.get<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'snapshots'")?.seq ?? 0;
  for (const { directory } of layouts)
    for (const name of readdirSync(directory)) if (/^\d{1,15}$/.test(name)) last = Math.max(last, Number(name));
  return { next: () => ++last };
}
