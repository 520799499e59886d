import type { Labels } from "@berth/base";
import type { Database } from "./database.ts";
import type { ContainerRecord, ImageRecord } from "./types.ts";

/** Something that was made, changed or removed, by a caller or by a collection. */
export type Change =
  | { readonly kind: "namespace-created" | "namespace-updated"; readonly namespace: string; readonly labels: Labels }
  | { readonly kind: "namespace-deleted"; readonly namespace: string }
  | {
      readonly kind: "container-created" | "container-updated";
      readonly namespace: string;
      readonly container: ContainerRecord;
    }
  | { readonly kind: "container-deleted"; readonly namespace: string; readonly id: string }
  | { readonly kind: "image-created" | "image-updated"; readonly namespace: string; readonly image: ImageRecord }
  | { readonly kind: "image-deleted"; readonly namespace: string; readonly name: string }
  | { readonly kind: "content-created"; readonly namespace: string; readonly digest: string; readonly size: number }
  | { readonly kind: "content-deleted"; readonly namespace: string; readonly digest: string }
  | ({ readonly kind: "snapshot-prepared"; readonly parent: string } & SnapshotName)
  | ({ readonly kind: "snapshot-committed"; readonly name: string } & SnapshotName)
  | ({ readonly kind: "snapshot-removed" } & SnapshotName);

interface SnapshotName {
  readonly namespace: string;
  readonly snapshotter: string;
  readonly key: string;
}

export interface Changes {
  /** To be called inside the transaction: listeners hear of it once that is durable, and never where it fails. */
  tell(change: Change): void;
  listen(listener: (change: Change) => void): Disposable;
}

export function openChanges(db: Pick<Database, "afterCommit">): Changes {
  const listeners = new Set<(change: Change) => void>();
  return {
    tell: (change) =>
      db.afterCommit(() => {
        for (const listener of listeners) listener(change);
      }),
    listen(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}
