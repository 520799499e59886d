// Names of what a collection looks at. A node is one string, so that sets and maps can hold it.

export type Node = string;

/** Never part of a namespace, and refused in keys by nobody else's rules; names come last, so they may hold it. */
const SEP = "\0";

export const contentNode = (namespace: string, digest: string): Node => `content${SEP}${namespace}${SEP}${digest}`;
export const imageNode = (namespace: string, name: string): Node => `image${SEP}${namespace}${SEP}${name}`;
export const containerNode = (namespace: string, id: string): Node => `container${SEP}${namespace}${SEP}${id}`;
export const leaseNode = (namespace: string, id: string): Node => `lease${SEP}${namespace}${SEP}${id}`;
export const ingestNode = (namespace: string, ref: string): Node => `ingest${SEP}${namespace}${SEP}${ref}`;
export const snapshotNode = (namespace: string, snapshotter: string, name: string): Node =>
  `snapshot${SEP}${namespace}${SEP}${snapshotter}/${name}`;

/** The node that a resource of a lease is; null for a type that nobody knows. */
export function resourceNode(namespace: string, type: string, id: string): Node | null {
  if (type === "content") return contentNode(namespace, id);
  if (type === "images") return imageNode(namespace, id);
  if (type === "ingests") return ingestNode(namespace, id);
  if (type.startsWith("snapshots/")) return snapshotNode(namespace, type.slice("snapshots/".length), id);
  return null;
}
