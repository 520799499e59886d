// What labels say to the collector (containerd's docs/garbage-collection.md).
import { type Instant, instantOfMs, type Labels } from "@berth/base";
import { containerNode, contentNode, imageNode, type Node, snapshotNode } from "./node.ts";

const ROOT = "containerd.io/gc.root";
const EXPIRE = "containerd.io/gc.expire";
const FLAT = "containerd.io/gc.flat";
const REF = "containerd.io/gc.ref.";
const BACK_REF = "containerd.io/gc.bref.";

export const isRoot = (labels: Labels): boolean => (labels[ROOT] ?? "") !== "";
export const isFlat = (labels: Labels): boolean => FLAT in labels;

/** A time that is no RFC 3339 time never comes. */
export function isExpired(labels: Labels, now: Instant): boolean {
  const text = labels[EXPIRE] ?? "";
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(text)) return false;
  return instantOfMs(Date.parse(text)) <= now;
}

/** What the bearer of the labels keeps alive. */
export const references = (namespace: string, labels: Labels): Node[] => targets(namespace, labels, REF);

/** What keeps the bearer of the labels alive. */
export const backReferences = (namespace: string, labels: Labels): Node[] => targets(namespace, labels, BACK_REF);

function targets(namespace: string, labels: Labels, prefix: string): Node[] {
  const found: Node[] = [];
  for (const [key, value] of Object.entries(labels)) {
    if (!key.startsWith(prefix) || value === "") continue;
    const [kind = "", ...rest] = key.slice(prefix.length).split(/[./]/);
    if (kind === "content") found.push(contentNode(namespace, value));
    else if (kind === "image") found.push(imageNode(namespace, value));
    else if (kind === "container" && prefix === BACK_REF) found.push(containerNode(namespace, value));
    else if (kind === "snapshot" && rest.length > 0) {
      // `snapshot.<snapshotter>[/anything]`: the snapshotter's own name may have dots.
      const [snapshotter = ""] = key.slice(prefix.length + "snapshot.".length).split("/");
      if (snapshotter !== "") found.push(snapshotNode(namespace, snapshotter, value));
    }
  }
  return found;
}
