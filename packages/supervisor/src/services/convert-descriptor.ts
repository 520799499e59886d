import type { Descriptor } from "@berth/base";
import type { Descriptor as ProtoDescriptor } from "@berth/proto/containerd/types";

const none: Descriptor = { mediaType: "", digest: "", size: 0, annotations: {} };

export const descriptorFromProto = (descriptor: ProtoDescriptor | null): Descriptor => descriptor ?? none;

export const descriptorToProto = (descriptor: Descriptor): ProtoDescriptor => ({
  mediaType: descriptor.mediaType,
  digest: descriptor.digest,
  size: descriptor.size,
  annotations: { ...descriptor.annotations },
});
