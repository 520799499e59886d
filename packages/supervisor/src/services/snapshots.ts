import { invalidArgument, unimplemented } from "@berth/base";
import { Info, type Snapshots } from "@berth/proto/containerd/services/snapshots/v1";
import type { ServiceImpl } from "@berth/rpc";
import type { Snapshotter } from "@berth/store";
import { mountsToProto, pathsOf } from "./convert-common.ts";
import { snapshotToProto } from "./convert-snapshot.ts";
import { inBlocks, sizeWithLabels } from "./in-blocks.ts";

export function snapshotsService({
  snapshotter,
}: {
  snapshotter: (name: string) => Snapshotter;
}): ServiceImpl<typeof Snapshots> {
  const named = (name: string): Snapshotter => {
    if (name === "") throw invalidArgument("snapshotter argument missing");
    return snapshotter(name);
  };
  return {
    async prepare(req, call) {
      const mounts = await named(req.snapshotter).prepare(call, req.key, req.parent, req.labels);
      return { mounts: mountsToProto(mounts) };
    },
    // A view changes nothing that others could wait for: containerd announces none either.
    async view(req, call) {
      const mounts = await named(req.snapshotter).view(call, req.key, req.parent, req.labels);
      return { mounts: mountsToProto(mounts) };
    },
    async mounts(req, call) {
      return { mounts: mountsToProto(await named(req.snapshotter).mounts(call, req.key)) };
    },
    async commit(req, call) {
      await named(req.snapshotter).commit(call, req.name, req.key, req.labels);
      return {};
    },
    async remove(req, call) {
      await named(req.snapshotter).remove(call, req.key);
      return {};
    },
    stat: (req, call) => ({ info: snapshotToProto(named(req.snapshotter).stat(call, req.key)) }),
    update(req, call) {
      const info = req.info ?? Info.create();
      return { info: snapshotToProto(named(req.snapshotter).update(call, info, pathsOf(req.updateMask))) };
    },
    async *list(req, call) {
      const infos = named(req.snapshotter).list(call, req.filters).map(snapshotToProto);
      for (const info of inBlocks(infos, sizeWithLabels)) yield { info };
    },
    usage: async (req, call) => await named(req.snapshotter).usage(call, req.key),
    cleanup(req) {
      named(req.snapshotter);
      throw unimplemented(`snapshotter ${req.snapshotter} removes at once: there is nothing to clean up`);
    },
  };
}
