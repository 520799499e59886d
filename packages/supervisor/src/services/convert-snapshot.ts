import { type Info, Kind } from "@berth/proto/containerd/services/snapshots/v1";
import type { SnapshotInfo, SnapshotKind } from "@berth/store";
import { timestampOf } from "./convert-common.ts";

const kinds: Readonly<Record<SnapshotKind, number>> = {
  view: Kind.VIEW,
  active: Kind.ACTIVE,
  committed: Kind.COMMITTED,
};

export const snapshotToProto = (info: SnapshotInfo): Info => ({
  name: info.name,
  parent: info.parent,
  kind: kinds[info.kind],
  labels: { ...info.labels },
  createdAt: timestampOf(info.createdAt),
  updatedAt: timestampOf(info.updatedAt),
});
