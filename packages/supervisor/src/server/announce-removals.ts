import { topics } from "@berth/proto";
import { SnapshotRemove } from "@berth/proto/containerd/events";
import { ImageDelete } from "@berth/proto/containerd/services/images/v1";
import type { Exchange } from "@berth/runtime";
import type { Collector } from "@berth/store";
import { announce } from "../services/announce.ts";

/** Publishes what collections remove, as containerd does: images and snapshots. */
export function announceRemovals(collector: Collector, events: Exchange): Disposable {
  return collector.onRemoved(({ namespace, kind, id, snapshotter }) => {
    if (kind === "image") announce(events, namespace, topics.imageDelete, ImageDelete, { name: id });
    if (kind === "snapshot")
      announce(events, namespace, topics.snapshotRemove, SnapshotRemove, { key: id, snapshotter });
  });
}
