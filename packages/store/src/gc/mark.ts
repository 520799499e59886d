import type { Instant, Labels } from "@berth/base";
import { toLabels } from "../core.ts";
import type { Database } from "../database.ts";
import { backReferences, isExpired, isFlat, isRoot, references } from "./label-refs.ts";
import {
  containerNode,
  contentNode,
  imageNode,
  ingestNode,
  leaseNode,
  type Node,
  resourceNode,
  snapshotNode,
} from "./node.ts";

/** What is kept, and the leases that have expired. */
export interface Marked {
  readonly kept: ReadonlySet<Node>;
  readonly expiredLeases: readonly { namespace: string; id: string }[];
}

interface Edges {
  /** Followed always: a snapshot's parent, an image's target. */
  readonly own: Node[];
  /** Followed unless reached by a flat lease only. */
  readonly labelled: Node[];
}

/**
 * Finds everything that a root leads to. Roots: live leases, containers, images that have not expired, what has
 * the label gc.root, ingests that are open or fresh. Reads one state of the database: call it in a transaction.
 */
export function mark(db: Database, now: Instant, isOpenIngest: (namespace: string, ref: string) => boolean): Marked {
  const edges = new Map<Node, Edges>();
  const roots: Node[] = [];
  const flatRoots: Node[] = [];
  const expiredLeases: { namespace: string; id: string }[] = [];
  const edgesOf = (node: Node): Edges => {
    const known = edges.get(node);
    if (known) return known;
    const made: Edges = { own: [], labelled: [] };
    edges.set(node, made);
    return made;
  };
  const label = (node: Node, namespace: string, labels: Labels): void => {
    const found = references(namespace, labels);
    if (found.length > 0) edgesOf(node).labelled.push(...found);
    for (const parent of backReferences(namespace, labels)) edgesOf(parent).labelled.push(node);
  };

  // Most labels do not concern the collector: only those that may are parsed.
  const labelled = (table: string, columns: string): { namespace: string; labels: string }[] =>
    db.all(`SELECT namespace, labels, ${columns} FROM ${table} WHERE instr(labels, 'containerd.io/gc.') > 0`);

  for (const row of labelled("content", "digest") as { namespace: string; labels: string; digest: string }[]) {
    const labels = toLabels(row.labels);
    const node = contentNode(row.namespace, row.digest);
    if (isRoot(labels)) roots.push(node);
    label(node, row.namespace, labels);
  }

  const snapshots = db.all<{
    namespace: string;
    snapshotter: string;
    name: string;
    parent: string | null;
    labels: string;
  }>(
    `SELECT s.namespace, s.snapshotter, s.name, p.name AS parent, s.labels
     FROM snapshots AS s LEFT JOIN snapshots AS p ON p.id = s.parent`,
  );
  for (const row of snapshots) {
    const node = snapshotNode(row.namespace, row.snapshotter, row.name);
    if (row.parent !== null) edgesOf(node).own.push(snapshotNode(row.namespace, row.snapshotter, row.parent));
    if (!row.labels.includes("containerd.io/gc.")) continue;
    const labels = toLabels(row.labels);
    if (isRoot(labels)) roots.push(node);
    label(node, row.namespace, labels);
  }

  const images = db.all<{ namespace: string; name: string; digest: string; labels: string }>(
    "SELECT namespace, name, digest, labels FROM images",
  );
  for (const row of images) {
    const labels = toLabels(row.labels);
    const node = imageNode(row.namespace, row.name);
    edgesOf(node).own.push(contentNode(row.namespace, row.digest));
    if (!isExpired(labels, now)) roots.push(node);
    label(node, row.namespace, labels);
  }

  const containers = db.all<{
    namespace: string;
    id: string;
    snapshotter: string;
    snapshot_key: string;
    labels: string;
  }>("SELECT namespace, id, snapshotter, snapshot_key, labels FROM containers");
  for (const row of containers) {
    const node = containerNode(row.namespace, row.id);
    roots.push(node);
    if (row.snapshot_key !== "") edgesOf(node).own.push(snapshotNode(row.namespace, row.snapshotter, row.snapshot_key));
    label(node, row.namespace, toLabels(row.labels));
  }

  const ingests = db.all<{ namespace: string; ref: string; expected: string; expire_at: number | bigint | null }>(
    "SELECT namespace, ref, expected, expire_at FROM ingests",
  );
  for (const row of ingests) {
    const node = ingestNode(row.namespace, row.ref);
    if (row.expected !== "") edgesOf(node).own.push(contentNode(row.namespace, row.expected));
    const fresh = row.expire_at !== null && row.expire_at > now;
    if (fresh || isOpenIngest(row.namespace, row.ref)) roots.push(node);
  }

  const flat = new Set<Node>();
  for (const row of db.all<{ namespace: string; id: string; labels: string }>(
    "SELECT namespace, id, labels FROM leases",
  )) {
    const labels = toLabels(row.labels);
    const node = leaseNode(row.namespace, row.id);
    if (isExpired(labels, now)) {
      expiredLeases.push({ namespace: row.namespace, id: row.id });
      continue;
    }
    if (isFlat(labels)) flat.add(node);
    else roots.push(node);
  }
  const resources = db.all<{ namespace: string; lease: string; type: string; id: string }>(
    "SELECT namespace, lease, type, id FROM lease_resources",
  );
  for (const row of resources) {
    const lease = leaseNode(row.namespace, row.lease);
    const node = resourceNode(row.namespace, row.type, row.id);
    if (node === null) continue;
    if (flat.has(lease)) flatRoots.push(node);
    else edgesOf(lease).own.push(node);
  }

  return { kept: reach(edges, roots, flatRoots), expiredLeases };
}

function reach(edges: ReadonlyMap<Node, Edges>, roots: readonly Node[], flatRoots: readonly Node[]): Set<Node> {
  const kept = new Set<Node>();
  const walk = (from: readonly Node[], follow: (edges: Edges) => readonly Node[], seen: Set<Node>): void => {
    const waiting = [...from];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      const out = edges.get(node);
      if (out) for (const next of follow(out)) if (!seen.has(next)) waiting.push(next);
    }
  };
  walk(roots, ({ own, labelled }) => [...own, ...labelled], kept);
  // What a flat lease lists keeps what it is made of, but not what its labels point to.
  const flat = new Set<Node>();
  walk(flatRoots, ({ own }) => own, flat);
  for (const node of flat) kept.add(node);
  return kept;
}
