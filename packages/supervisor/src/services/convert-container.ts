import { Container } from "@berth/proto/containerd/services/containers/v1";
import type { ContainerRecord } from "@berth/store";
import { anyFromRecord, anyToRecord, timestampOf } from "./convert-common.ts";

export type ContainerInput = Omit<ContainerRecord, "createdAt" | "updatedAt">;

export function containerFromProto(given: Container | null): ContainerInput {
  const container = given ?? Container.create();
  const extensions = Object.entries(container.extensions).map(([name, any]) => [name, anyToRecord(any)]);
  return {
    id: container.id,
    labels: container.labels,
    image: container.image,
    runtime: { name: container.runtime?.name ?? "", options: anyToRecord(container.runtime?.options ?? null) },
    spec: anyToRecord(container.spec),
    snapshotter: container.snapshotter,
    snapshotKey: container.snapshotKey,
    extensions: Object.fromEntries(extensions),
    sandbox: container.sandbox,
  };
}

export function containerToProto(record: ContainerRecord): Container {
  return Container.create({
    ...record,
    runtime: { name: record.runtime.name, options: anyFromRecord(record.runtime.options) },
    createdAt: timestampOf(record.createdAt),
    updatedAt: timestampOf(record.updatedAt),
  } as unknown as Container);
}
