import type { Blobs } from "../content/blobs.ts";
import type { Ingests } from "../content/ingests.ts";
import type { Core } from "../core.ts";
import type { LocalSnapshotter } from "../snapshots/snapshotter.ts";
import type { Removed } from "../types.ts";
import { createGraph, type Graph } from "./graph.ts";
import { type Changes, mark } from "./mark.ts";
import { contentNode, imageNode, ingestNode, leaseNode, snapshotNode } from "./node.ts";

/** A collection: yields what each turn has removed. */
export type Turns = Generator<readonly Removed[], void>;

/** What a collection works on. */
export interface Collectable {
  readonly core: Core;
  readonly changes: Changes;
  readonly blobs: Blobs;
  readonly ingests: Ingests;
  readonly snapshotters: ReadonlyMap<string, LocalSnapshotter>;
}

/** Rows that a turn looks at, and those that it removes at most, each of which is a rename as well. */
const MOST_ROWS = 500;
const MOST_REMOVALS = 50;
/** Changes that are taken in at once. */
const MOST_CHANGES = 200;

/**
 * One collection, in short turns: others may change everything between two of them. What is removed could
 * not be reached when the collection began, nor by anything that was made or changed since: before each removal, in the same
 * turn, such rows are kept with all that they lead to. What became garbage meanwhile may stay for the next collection,
 * which the scheduler knows to be due.
 *
 * A way to what is removed would have a last step that is new since the beginning, for without one it would have been found.
 * The row that this step is in was made or changed since, and it was kept with all that follows: a contradiction.
 */
export function* collectGarbage(parts: Collectable): Turns {
  const { core, changes, ingests } = parts;
  const { db, clock } = core;
  using _watch = changes.watch();
  const graph = createGraph(clock.now(), ingests.isOpen);
  for (const _ of mark(db, graph)) yield [];
  for (let position: Position | null = { kind: 0, after: null }; position !== null; ) {
    while (changes.count > MOST_CHANGES) {
      changes.addTo(graph, MOST_CHANGES);
      yield [];
    }
    changes.addTo(graph, MOST_CHANGES);
    const from: Position = position;
    // It may run twice (a full disk), so it changes nothing of ours.
    const turn = db.transaction(() => sweepTurn(parts, graph, from), "frees");
    position = turn.next;
    yield turn.removed;
  }
}

/** How far a sweep has come: the kind of what it looks at, and the last that it has looked at; null for none. */
interface Position {
  readonly kind: number;
  readonly after: string | number | null;
}

interface Found {
  readonly at: string | number;
  /** null for what stays. */
  readonly remove: (() => Removed | null) | null;
}

type Kind = (parts: Collectable, graph: Graph, after: string | number | null, limit: number) => Found[];

function sweepTurn(
  parts: Collectable,
  graph: Graph,
  from: Position,
): { readonly next: Position | null; readonly removed: Removed[] } {
  const removed: Removed[] = [];
  let rows = MOST_ROWS;
  let removals = MOST_REMOVALS;
  let { kind, after } = from;
  for (let one = kinds[kind]; one !== undefined; one = kinds[kind]) {
    const limit = rows;
    const found = one(parts, graph, after, limit);
    for (const { at, remove } of found) {
      if (rows === 0 || removals === 0) return { next: { kind, after }, removed };
      rows--;
      after = at;
      if (remove === null) continue;
      removals--;
      const gone = remove();
      if (gone !== null) removed.push(gone);
    }
    if (found.length === limit) return { next: { kind, after }, removed };
    kind++;
    after = null;
  }
  return { next: null, removed };
}

const goneOf = (kind: Removed["kind"], namespace: string, id: string, snapshotter = ""): Removed => ({
  namespace,
  kind,
  id,
  snapshotter,
});

const leases: Kind = ({ core: { db } }, graph, after, limit) => {
  const begin = Number(after ?? 0);
  return graph.expiredLeases.slice(begin, begin + limit).map(({ namespace, id }, position) => ({
    at: begin + position + 1,
    // Made anew meanwhile, it is another one.
    remove: graph.isKept(leaseNode(namespace, id))
      ? null
      : () => {
          db.run("DELETE FROM leases WHERE namespace = ? AND id = ?", namespace, id);
          db.run("DELETE FROM lease_resources WHERE namespace = ? AND lease = ?", namespace, id);
          return goneOf("lease", namespace, id);
        },
  }));
};

const images: Kind = ({ core: { db, tell } }, graph, after, limit) =>
  db
    .all<{ at: number; namespace: string; name: string }>(
      "SELECT rowid AS at, namespace, name FROM images WHERE rowid > ? ORDER BY rowid LIMIT ?",
      after ?? -1,
      limit,
    )
    .map(({ at, namespace, name }) => ({
      at,
      remove: graph.isKept(imageNode(namespace, name))
        ? null
        : () => {
            db.run("DELETE FROM images WHERE rowid = ?", at);
            tell({ kind: "image-deleted", namespace, name });
            return goneOf("image", namespace, name);
          },
    }));

/** Children first: they are younger than their parents. */
const snapshots: Kind = ({ core: { db, tell }, snapshotters }, graph, after, limit) =>
  db
    .all<{ id: number; namespace: string; snapshotter: string; name: string }>(
      "SELECT id, namespace, snapshotter, name FROM snapshots WHERE id < ? ORDER BY id DESC LIMIT ?",
      after ?? Number.MAX_SAFE_INTEGER,
      limit,
    )
    .map(({ id, namespace, snapshotter, name }) => {
      // One that is not loaded this time keeps its snapshots: nobody here could delete their directories.
      const local = snapshotters.get(snapshotter);
      if (local === undefined || graph.isKept(snapshotNode(namespace, snapshotter, name)))
        return { at: id, remove: null };
      return {
        at: id,
        remove: () => {
          db.run("DELETE FROM snapshots WHERE id = ?", id);
          local.discard(id);
          tell({ kind: "snapshot-removed", namespace, snapshotter, key: name });
          return goneOf("snapshot", namespace, name, snapshotter);
        },
      };
    });

const openings: Kind = ({ core: { db }, ingests }, graph, after, limit) =>
  db
    .all<{ at: number; namespace: string; ref: string }>(
      "SELECT rowid AS at, namespace, ref FROM ingests WHERE rowid > ? ORDER BY rowid LIMIT ?",
      after ?? -1,
      limit,
    )
    .map(({ at, namespace, ref }) => ({
      at,
      // One that is being opened is not in the table as such yet.
      remove:
        ingests.isOpen(namespace, ref) || graph.isKept(ingestNode(namespace, ref))
          ? null
          : () => {
              ingests.drop(namespace, ref);
              return goneOf("ingest", namespace, ref);
            },
    }));

const content: Kind = ({ core: { db } }, graph, after, limit) =>
  db
    .all<{ at: number; namespace: string; digest: string }>(
      "SELECT rowid AS at, namespace, digest FROM content WHERE rowid > ? ORDER BY rowid LIMIT ?",
      after ?? -1,
      limit,
    )
    .map(({ at, namespace, digest }) => ({
      at,
      remove: graph.isKept(contentNode(namespace, digest))
        ? null
        : () => {
            db.run("DELETE FROM content WHERE rowid = ?", at);
            return goneOf("content", namespace, digest);
          },
    }));

/** Of blobs that no namespace has, whether it was this collection that took the last record or a caller. */
const files: Kind = ({ blobs }, _graph, after, limit) =>
  blobs.list(String(after ?? ""), limit).map(({ digest, isReferenced }) => ({
    at: digest,
    remove: isReferenced
      ? null
      : () => {
          blobs.drop(digest);
          return null;
        },
  }));

const kinds: readonly Kind[] = [leases, images, snapshots, openings, content, files];
