import type { Differ } from "@berth/images";
import type { Diff } from "@berth/proto/containerd/services/diff/v1";
import type { ServiceImpl } from "@berth/rpc";
import { mountsFromProto } from "./convert-common.ts";
import { descriptorFromProto, descriptorToProto } from "./convert-descriptor.ts";

export function diffService({ differ }: { differ: Differ }): ServiceImpl<typeof Diff> {
  return {
    async apply(req, call) {
      const applied = await differ.apply(call, descriptorFromProto(req.diff), mountsFromProto(req.mounts), call.signal);
      return { applied: descriptorToProto(applied) };
    },
    async diff(req, call) {
      const { mediaType, ref, labels } = req;
      const lower = mountsFromProto(req.left);
      const upper = mountsFromProto(req.right);
      const made = await differ.diff(call, lower, upper, { mediaType, ref, labels, signal: call.signal });
      return { diff: descriptorToProto(made) };
    },
  };
}
