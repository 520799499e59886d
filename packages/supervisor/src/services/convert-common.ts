import type { Instant, Mount } from "@berth/base";
import { toTimestamp } from "@berth/proto";
import type { Mount as ProtoMount } from "@berth/proto/containerd/types";
import type { Any, FieldMask, Timestamp } from "@berth/proto/google/protobuf";
import type { AnyValue, FieldPaths } from "@berth/store";

export const pathsOf = (mask: FieldMask | null): FieldPaths => mask?.paths ?? [];

export const timestampOf = (instant: Instant | null): Timestamp | null =>
  instant === null ? null : toTimestamp(instant);

/** Bytes of a request are views of the wire's buffer: what is kept is copied. */
export const anyToRecord = (any: Any | null): AnyValue | null =>
  any === null ? null : { typeUrl: any.typeUrl, value: any.value.slice() };

export const anyFromRecord = (any: AnyValue | null): Any | null =>
  any === null ? null : { typeUrl: any.typeUrl, value: any.value };

export const mountsToProto = (mounts: readonly Mount[]): ProtoMount[] =>
  mounts.map((mount) => ({ ...mount, options: [...mount.options] }));

export const mountsFromProto = (mounts: readonly ProtoMount[]): readonly Mount[] => mounts;
