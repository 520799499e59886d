// What the store tells, as containerd's events.
import { type Init, type MessageType, packAny, topics } from "@berth/proto";
import {
  ContainerCreate,
  ContainerDelete,
  ContainerUpdate,
  ContentCreate,
  ContentDelete,
  NamespaceCreate,
  NamespaceDelete,
  NamespaceUpdate,
  SnapshotCommit,
  SnapshotPrepare,
  SnapshotRemove,
} from "@berth/proto/containerd/events";
import { ImageCreate, ImageDelete, ImageUpdate } from "@berth/proto/containerd/services/images/v1";
import type { Any } from "@berth/proto/google/protobuf";
import type { Exchange } from "@berth/runtime";
import type { Change, Store } from "@berth/store";
import { containerToProto } from "./convert-container.ts";

/** Publishes each change in its namespace: one of a namespace in that, whatever the caller's is. */
export function publishChanges(store: Pick<Store, "onChange">, events: Exchange): Disposable {
  return store.onChange((change) => {
    const [topic, event] = eventOf(change);
    events.publish(change.namespace, topic, event);
  });
}

const of = <T extends object>(topic: string, type: MessageType<T>, event: Init<T>): [topic: string, event: Any] => [
  topic,
  packAny(type, event),
];

function eventOf(change: Change): [topic: string, event: Any] {
  switch (change.kind) {
    case "namespace-created":
      return of(topics.namespaceCreate, NamespaceCreate, { name: change.namespace, labels: change.labels });
    case "namespace-updated":
      return of(topics.namespaceUpdate, NamespaceUpdate, { name: change.namespace, labels: change.labels });
    case "namespace-deleted":
      return of(topics.namespaceDelete, NamespaceDelete, { name: change.namespace });
    case "container-created":
      return of(topics.containerCreate, ContainerCreate, containerToProto(change.container));
    case "container-updated":
      return of(topics.containerUpdate, ContainerUpdate, containerToProto(change.container));
    case "container-deleted":
      return of(topics.containerDelete, ContainerDelete, { id: change.id });
    case "image-created":
      return of(topics.imageCreate, ImageCreate, { name: change.image.name, labels: change.image.labels });
    case "image-updated":
      return of(topics.imageUpdate, ImageUpdate, { name: change.image.name, labels: change.image.labels });
    case "image-deleted":
      return of(topics.imageDelete, ImageDelete, { name: change.name });
    case "content-created":
      return of(topics.contentCreate, ContentCreate, { digest: change.digest, size: change.size });
    case "content-deleted":
      return of(topics.contentDelete, ContentDelete, { digest: change.digest });
    case "snapshot-prepared":
      return of(topics.snapshotPrepare, SnapshotPrepare, named(change, { parent: change.parent }));
    case "snapshot-committed":
      return of(topics.snapshotCommit, SnapshotCommit, named(change, { name: change.name }));
    case "snapshot-removed":
      return of(topics.snapshotRemove, SnapshotRemove, named(change, {}));
  }
}

const named = <T extends object>({ key, snapshotter }: { key: string; snapshotter: string }, more: T) => ({
  key,
  snapshotter,
  ...more,
});
