import type { Info, Status } from "@berth/proto/containerd/services/content/v1";
import type { ContentInfo, IngestStatus } from "@berth/store";
import { timestampOf } from "./convert-common.ts";

export const infoToProto = (info: ContentInfo): Info => ({
  digest: info.digest,
  size: info.size,
  labels: { ...info.labels },
  createdAt: timestampOf(info.createdAt),
  updatedAt: timestampOf(info.updatedAt),
});

export const statusToProto = (status: IngestStatus): Status => ({
  ref: status.ref,
  offset: status.offset,
  total: status.total,
  expected: status.expected,
  startedAt: timestampOf(status.startedAt),
  updatedAt: timestampOf(status.updatedAt),
});
