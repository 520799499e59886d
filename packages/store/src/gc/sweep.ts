import type { Blobs } from "../content/blobs.ts";
import type { Ingests } from "../content/ingests.ts";
import type { Core } from "../core.ts";
import type { LocalSnapshotter } from "../snapshots/snapshotter.ts";
import type { Removed } from "../types.ts";
import { mark } from "./mark.ts";
import { contentNode, imageNode, ingestNode, snapshotNode } from "./node.ts";

/** What a collection works on. */
export interface Collectable {
  readonly core: Core;
  readonly blobs: Blobs;
  readonly ingests: Ingests;
  readonly snapshotters: ReadonlyMap<string, LocalSnapshotter>;
}

/**
 * One collection: marks and sweeps in one transaction, so that nothing can be added in between. The records are
 * gone when it returns, the files are in the trash.
 */
export function sweep({ core, blobs, ingests, snapshotters }: Collectable): Removed[] {
  const { db, clock } = core;
  return db.transaction(() => {
    const removed: Removed[] = [];
    const gone = (kind: Removed["kind"], namespace: string, id: string, snapshotter = ""): void => {
      removed.push({ namespace, kind, id, snapshotter });
    };
    const { kept, expiredLeases } = mark(db, clock.now(), ingests.isOpen);

    for (const { namespace, id } of expiredLeases) {
      db.run("DELETE FROM leases WHERE namespace = ? AND id = ?", namespace, id);
      db.run("DELETE FROM lease_resources WHERE namespace = ? AND lease = ?", namespace, id);
      gone("lease", namespace, id);
    }
    for (const { namespace, name } of db.all<{ namespace: string; name: string }>(
      "SELECT namespace, name FROM images",
    )) {
      if (kept.has(imageNode(namespace, name))) continue;
      db.run("DELETE FROM images WHERE namespace = ? AND name = ?", namespace, name);
      gone("image", namespace, name);
    }
    const snapshots = db.all<{ id: number; namespace: string; snapshotter: string; name: string }>(
      "SELECT id, namespace, snapshotter, name FROM snapshots ORDER BY id DESC",
    );
    for (const { id, namespace, snapshotter, name } of snapshots) {
      if (kept.has(snapshotNode(namespace, snapshotter, name))) continue;
      // One that is not loaded this time keeps its snapshots: nobody here could delete their directories.
      const local = snapshotters.get(snapshotter);
      if (!local) continue;
      db.run("DELETE FROM snapshots WHERE id = ?", id);
      local.discard(id);
      gone("snapshot", namespace, name, snapshotter);
    }
    for (const { namespace, ref } of db.all<{ namespace: string; ref: string }>("SELECT namespace, ref FROM ingests")) {
      if (kept.has(ingestNode(namespace, ref))) continue;
      ingests.drop(namespace, ref);
      gone("ingest", namespace, ref);
    }
    const content = db.all<{ namespace: string; digest: string }>("SELECT namespace, digest FROM content");
    for (const { namespace, digest } of content) {
      if (kept.has(contentNode(namespace, digest))) continue;
      db.run("DELETE FROM content WHERE namespace = ? AND digest = ?", namespace, digest);
      gone("content", namespace, digest);
    }
    blobs.dropUnreferenced();
    return removed;
  }, "frees");
}
