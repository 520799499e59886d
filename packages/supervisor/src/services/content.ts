import { outOfRange, parseDigest } from "@berth/base";
import { type Content, Info } from "@berth/proto/containerd/services/content/v1";
import type { ServiceImpl } from "@berth/rpc";
import type { ContentStore } from "@berth/store";
import { writeContent } from "./content-write.ts";
import { pathsOf } from "./convert-common.ts";
import { infoToProto, statusToProto } from "./convert-content.ts";
import { inBlocks, sizeWithLabels } from "./in-blocks.ts";

/** Bytes of one message of Read. */
const CHUNK = 1 << 20;

export function contentService({ content }: { content: ContentStore }): ServiceImpl<typeof Content> {
  return {
    info: (req, call) => ({ info: infoToProto(content.info(call, parseDigest(req.digest))) }),
    update(req, call) {
      const info = req.info ?? Info.create();
      parseDigest(info.digest);
      return { info: infoToProto(content.update(call, info, pathsOf(req.updateMask))) };
    },
    async *list(req, call) {
      for (const info of inBlocks(content.list(call, req.filters).map(infoToProto), sizeWithLabels)) yield { info };
    },
    delete(req, call) {
      content.delete(call, parseDigest(req.digest));
      return {};
    },
    async *read(req, call) {
      const reader = await content.reader(call, parseDigest(req.digest));
      try {
        const start = Math.max(0, req.offset);
        if (start > reader.size) throw outOfRange(`read past object length ${reader.size} bytes`);
        const end = req.size <= 0 ? reader.size : Math.min(reader.size, start + req.size);
        for (let at = start; at < end; ) {
          const data = await reader.read(at, Math.min(CHUNK, end - at));
          if (data.length === 0) throw outOfRange(`blob ${req.digest} ends at ${at} instead of ${reader.size} bytes`);
          // Offsets count from the start of the range that was asked for, as containerd's do.
          yield { offset: at - start, data };
          at += data.length;
        }
      } finally {
        await reader.close();
      }
    },
    status: (req, call) => ({ status: statusToProto(content.status(call, req.ref)) }),
    listStatuses: (req, call) => ({ statuses: content.listStatuses(call, req.filters).map(statusToProto) }),
    write: (requests, call) => writeContent(content, requests, call),
    async abort(req, call) {
      await content.abort(call, req.ref);
      return {};
    },
  };
}
