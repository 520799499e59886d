// The tables that a collection reads, and what each of their rows says about what is reachable.
import type { SQLInputValue } from "node:sqlite";
import { toLabels } from "../core.ts";
import type { Graph } from "./graph.ts";
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

export interface Source {
  readonly table: string;
  /** What names a row, also to who observes the table. */
  readonly key: readonly string[];
  /** In whose order the table is read, and what comes before the first of it. */
  readonly order: readonly string[];
  readonly start: readonly SQLInputValue[];
  /** Columns, and joins of `t`, which is the table. */
  readonly columns: string;
  readonly joins: string;
  /** Adds what the row says; the node that the row is about, null for what nobody knows. */
  take(graph: Graph, row: Row): Node | null;
}

/** Of any table: those columns that were asked for. */
export type Row = Readonly<Record<string, string | number | bigint | null>> & {
  readonly namespace: string;
  readonly labels: string;
};

/** Most labels do not concern the collector: only those that may are parsed. */
const LABELS = "CASE WHEN instr(t.labels, 'containerd.io/gc.') > 0 THEN t.labels ELSE '{}' END AS labels";
const byRowId = { order: ["rowid"], start: [-1], joins: "" } as const;
const text = (value: Row[string] | undefined): string => String(value ?? "");

function addLabels(graph: Graph, node: Node, { namespace, labels: json }: Row): void {
  const labels = toLabels(json);
  for (const found of references(namespace, labels)) graph.edgesOf(node).labelled.push(found);
  for (const parent of backReferences(namespace, labels)) graph.edgesOf(parent).labelled.push(node);
}

function addRootByLabel(graph: Graph, node: Node, { labels }: Row): void {
  if (isRoot(toLabels(labels))) graph.roots.push(node);
}

export const sources: readonly Source[] = [
  {
    ...byRowId,
    table: "content",
    key: ["namespace", "digest"],
    columns: `t.namespace, t.digest, ${LABELS}`,
    take(graph, row) {
      const node = contentNode(row.namespace, text(row.digest));
      addRootByLabel(graph, node, row);
      addLabels(graph, node, row);
      return node;
    },
  },
  {
    ...byRowId,
    table: "snapshots",
    key: ["id"],
    joins: "LEFT JOIN snapshots AS p ON p.id = t.parent",
    columns: `t.namespace, t.snapshotter, t.name, p.name AS parent, ${LABELS}`,
    take(graph, row) {
      const snapshotter = text(row.snapshotter);
      const node = snapshotNode(row.namespace, snapshotter, text(row.name));
      if (row.parent !== null) graph.edgesOf(node).own.push(snapshotNode(row.namespace, snapshotter, text(row.parent)));
      addRootByLabel(graph, node, row);
      addLabels(graph, node, row);
      return node;
    },
  },
  {
    ...byRowId,
    table: "images",
    key: ["namespace", "name"],
    columns: `t.namespace, t.name, t.digest, ${LABELS}`,
    take(graph, row) {
      const node = imageNode(row.namespace, text(row.name));
      graph.edgesOf(node).own.push(contentNode(row.namespace, text(row.digest)));
      if (!isExpired(toLabels(row.labels), graph.now)) graph.roots.push(node);
      addLabels(graph, node, row);
      return node;
    },
  },
  {
    ...byRowId,
    table: "containers",
    key: ["namespace", "id"],
    columns: `t.namespace, t.id, t.snapshotter, t.snapshot_key, ${LABELS}`,
    take(graph, row) {
      const node = containerNode(row.namespace, text(row.id));
      graph.roots.push(node);
      if (row.snapshot_key !== "")
        graph.edgesOf(node).own.push(snapshotNode(row.namespace, text(row.snapshotter), text(row.snapshot_key)));
      addLabels(graph, node, row);
      return node;
    },
  },
  {
    ...byRowId,
    table: "ingests",
    key: ["namespace", "ref"],
    columns: "t.namespace, t.ref, t.expected, t.expire_at",
    take(graph, { namespace, ref, expected, expire_at: expireAt }) {
      const node = ingestNode(namespace, text(ref));
      if (expected !== "") graph.edgesOf(node).own.push(contentNode(namespace, text(expected)));
      const isFresh = (typeof expireAt === "number" || typeof expireAt === "bigint") && expireAt > graph.now;
      if (isFresh || graph.isOpenIngest(namespace, text(ref))) graph.roots.push(node);
      return node;
    },
  },
  {
    ...byRowId,
    table: "leases",
    key: ["namespace", "id"],
    columns: `t.namespace, t.id, ${LABELS}`,
    take(graph, row) {
      const node = leaseNode(row.namespace, text(row.id));
      const labels = toLabels(row.labels);
      if (isExpired(labels, graph.now)) graph.expiredLeases.push({ namespace: row.namespace, id: text(row.id) });
      else if (isFlat(labels)) graph.flatLeases.push(node);
      else graph.roots.push(node);
      return node;
    },
  },
  {
    table: "lease_resources",
    key: ["namespace", "lease", "type", "id"],
    order: ["namespace", "lease", "type", "id"],
    start: ["", "", "", ""],
    joins: "",
    columns: "t.namespace, t.lease, t.type, t.id",
    take(graph, { namespace, lease, type, id }) {
      const node = resourceNode(namespace, text(type), text(id));
      if (node !== null) graph.edgesOf(leaseNode(namespace, text(lease))).own.push(node);
      return node;
    },
  },
];
