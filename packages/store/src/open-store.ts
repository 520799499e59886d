import { readdirSync } from "node:fs";
import { type Clock, invalidArgument, type Log } from "@berth/base";
import { bootId, openBootSession } from "./boot.ts";
import { openChanges } from "./changes.ts";
import { containerStore } from "./containers.ts";
import { openBlobs } from "./content/blobs.ts";
import { openIngests } from "./content/ingests.ts";
import { openContentLayout } from "./content/layout.ts";
import { contentRecords } from "./content/records.ts";
import { contentStore } from "./content/store.ts";
import { openCopies } from "./copies.ts";
import type { Core } from "./core.ts";
import type { Database } from "./database.ts";
import { exitStore } from "./exits.ts";
import { type ScheduledCollector, startCollector } from "./gc/collector.ts";
import { observeChanges } from "./gc/mark.ts";
import { defaultGcSchedule, type GcSchedule } from "./gc/schedule.ts";
import { collectGarbage } from "./gc/sweep.ts";
import { imageStore } from "./images.ts";
import { leaseStore } from "./leases.ts";
import { namespaceStore } from "./namespaces.ts";
import { openQuarantine, type Quarantine } from "./quarantine.ts";
import { openRemovals } from "./removals.ts";
import { type ClaimedRoot, claimPlaces } from "./root/claim.ts";
import type { LayerLayout } from "./snapshots/layer-layout.ts";
import { nativeLayout } from "./snapshots/native.ts";
import { overlayLayout } from "./snapshots/overlay.ts";
import { overlaySupport, type TryOverlay } from "./snapshots/overlay-support.ts";
import { type LocalSnapshotter, openSnapshotter } from "./snapshots/snapshotter.ts";
import { syncByProgram } from "./sync-by-program.ts";
import { openTrash } from "./trash.ts";
import type { Store } from "./types.ts";
import { unfinishedStore } from "./unfinished.ts";

/** Whether a blob that one namespace holds may be had by another that names its digest. */
export type SharingPolicy = "shared" | "isolated";

export interface StoreOptions {
  /**
   * Directory that everything is kept under; made (0711) if it is missing. One process at a time. One that is
   * neither empty nor berth's is refused.
   */
  readonly root: string;
  /** Directory of what is volatile, which must be this root's too; null where the caller has none. */
  readonly state?: string | null;
  /** Paths of the caller's own (sockets) that may lie in one of the two. */
  readonly others?: readonly string[];
  /** For what a recovery does last. */
  readonly recovering?: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** What differs from the default schedule of the collector. */
  readonly gc?: Partial<GcSchedule>;
  /** Default: shared. */
  readonly sharingPolicy?: SharingPolicy;
  /** Null, the default, for a caller that mounts nothing: the overlayfs snapshotter is there untried. */
  readonly tryOverlay?: TryOverlay | null;
  /** Writes a file system to its disk, given a path on it (syncfs(2)). Default: by sync(1). */
  readonly syncfs?: (path: string) => Promise<void>;
  /** Milliseconds that things of unknown origin are kept. Default: a week. */
  readonly quarantineMs?: number;
}

const WEEK = 7 * 24 * 3_600_000;

/**
 * Opens what is kept under a root, or begins it. What a crash left half done is put right before this resolves;
 * files that nothing explains are put aside. Throws unavailable where another process has the root, one sentence
 * where it is not berth's or not what it was.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { root, state = null, others = [], recovering = false, log } = options;
  const claimed = claimPlaces({ root, state, others, recovering }, log);
  try {
    return await assemble(claimed, options);
  } catch (error) {
    claimed.close();
    throw error;
  }
}

async function assemble(claimed: ClaimedRoot, options: StoreOptions): Promise<Store> {
  const { root, state = null, clock, log, gc } = options;
  const { sharingPolicy = "shared", tryOverlay = null, quarantineMs = WEEK, syncfs = syncByProgram } = options;
  const { db } = claimed;
  const boot = bootId();
  const session = openBootSession(db, boot);
  if (session.suspects > 0)
    log.warn("the machine went down uncleanly: blobs are verified before their use", { count: session.suspects });

  let collector: ScheduledCollector | null = null;
  const changed: Core["changed"] = (kind) => db.afterCommit(() => collector?.changed(kind));
  const told = openChanges(db);
  const removals = openRemovals(db, root);
  // A directory is moved only within its file system.
  const quarantines = [root, ...(state === null ? [] : [state])].map((directory) =>
    openQuarantine({ directory, keepMs: quarantineMs, clock, log }),
  );
  const quarantine = quarantines[0] as Quarantine;
  const core: Core = {
    db,
    clock,
    log,
    root,
    boot,
    session,
    sharingPolicy,
    removals,
    quarantine,
    changed,
    tell: told.tell,
  };

  const copies = openCopies(core);

  const layout = openContentLayout(root);
  const contentTrash = openTrash(layout.trash, core);
  const blobs = openBlobs(core, layout, contentTrash);
  const records = contentRecords(core);
  const ingests = openIngests(core, { layout, blobs, records, trash: contentTrash });

  const layouts = [overlayLayout(root, await overlaySupport(core, tryOverlay)), nativeLayout(root)];
  const numbers = snapshotNumbers(db, layouts);
  const snapshotters = new Map<string, LocalSnapshotter>();
  for (const one of layouts) snapshotters.set(one.name, openSnapshotter(core, one, numbers, syncfs));

  removals.clear();
  quarantine.tell();

  const emptied = async (): Promise<void> => {
    const trashes = [contentTrash, ...[...snapshotters.values()].map(({ trash }) => trash), ...quarantines];
    await Promise.all(trashes.map((trash) => trash.empty()));
    db.refill();
  };
  const changes = observeChanges(db);
  const collect = () => {
    for (const one of quarantines) one.expire();
    return collectGarbage({ core, changes, blobs, ingests, snapshotters });
  };
  const collecting = startCollector({ ...defaultGcSchedule, ...gc }, log, collect, emptied);
  collector = collecting;
  const catchingUp = copies.catchUp();
  catchingUp.catch((err: unknown) => log.error("copies of records could not be brought up to date", { err }));

  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closed ??= (async () => {
      await collecting[Symbol.asyncDispose]();
      await emptied();
      await copies[Symbol.asyncDispose]();
      await catchingUp.catch(() => {}); // told above
      session.end();
      claimed.close();
    })();
    return closed;
  };

  return {
    namespaces: namespaceStore(core),
    containers: containerStore(core),
    exits: exitStore(core),
    images: imageStore(core),
    content: contentStore({ core, layout, blobs, records, ingests, trash: contentTrash }),
    leases: leaseStore(core),
    unfinished: unfinishedStore(core),
    collector: collecting.api,
    snapshotters: layouts.filter(({ refusal }) => refusal === "").map(({ name }) => name),
    snapshotter(name) {
      if (name === "") throw invalidArgument("snapshotter argument missing");
      const found = snapshotters.get(name);
      if (!found) throw invalidArgument(`snapshotter not loaded: ${name}`);
      return found.api;
    },
    putAside: (path, area, name) =>
      (quarantines[area.startsWith("bundles/") ? 1 : 0] ?? quarantine).take(area, path, name),
    onChange: told.listen,
    transaction: (change, effect, durable) => db.transaction(change, effect, durable),
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
