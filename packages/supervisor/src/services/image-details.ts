// What berth.v1.Engine says of images beyond their records, and what it does with their names.
import {
  type EngineDeps,
  exportImages,
  imageHistory,
  imageTrees,
  imageUsage,
  pruneImages,
  type TreeNode,
  tagImage,
} from "@berth/engine";
import { formatPlatform } from "@berth/images";
import type { Engine } from "@berth/proto/berth/v1";
import type { ServiceImpl } from "@berth/rpc";
import { inBlocks } from "./in-blocks.ts";

type Methods = Pick<
  ServiceImpl<typeof Engine>,
  "tagImage" | "imageHistory" | "imageTree" | "imageUsage" | "pruneImages" | "exportImages"
>;

export function imageDetails(deps: Pick<EngineDeps, "store" | "images">): Methods {
  return {
    tagImage: (req, call) => ({
      images: tagImage(deps, req, call).map(({ name, previous }) => ({ name, previous: previous ?? "" })),
    }),
    async *imageHistory(req, call) {
      const all = (await imageHistory(deps, req, call)).map(({ layer, ...step }) => ({
        ...step,
        digest: layer?.digest ?? "",
        size: layer?.size ?? 0,
      }));
      for (const steps of inBlocks(all, ({ createdBy, comment }) => Buffer.byteLength(createdBy + comment) + REST))
        yield { steps };
    },
    async *imageTree({ names }, call) {
      for await (const { name, nodes, isCut } of imageTrees(deps, names, call)) {
        for (const block of inBlocks(nodes.map(nodeToProto), () => REST)) yield { name, nodes: block };
        if (isCut) yield { name, cut: true };
      }
    },
    async *imageUsage({ names }, call) {
      const { images, total } = await imageUsage(deps, names, call);
      for (const block of inBlocks(images, () => REST)) yield { images: block };
      yield { total };
    },
    async *pruneImages(req, call) {
      for await (const told of pruneImages(deps, req, call))
        yield "removed" in told ? told : { room: { freed: told.freed } };
    },
    async *exportImages(req, call) {
      const { size, leftOut, bytes } = await exportImages(deps, req, call);
      yield { total: size, leftOut: [...leftOut] };
      for await (const data of bytes) {
        call.signal.throwIfAborted();
        if (data.length > 0) yield { data };
      }
    },
  };
}

/** What a record costs on the wire beside its long texts, about. */
const REST = 1_024;
/** Of a media type that somebody made up. */
const LONGEST_TYPE = 200;

const nodeToProto = ({ descriptor, platform, unpacked, isRepeated, ...part }: TreeNode) => ({
  depth: part.depth,
  kind: part.kind,
  state: part.state,
  digest: descriptor.digest,
  mediaType: descriptor.mediaType.slice(0, LONGEST_TYPE),
  size: descriptor.size,
  platform: platform === null ? "" : formatPlatform(platform).slice(0, LONGEST_TYPE),
  unpacked: [...unpacked],
  repeatedAbove: isRepeated,
});
