import type { EngineDeps } from "@berth/engine";
import { type ImportImageRequest, ImportImageRequest as Request } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";

export async function importImage(
  { images, defaults }: Pick<EngineDeps, "images" | "defaults">,
  requests: AsyncIterable<ImportImageRequest>,
  call: Call,
): Promise<{ images: { name: string; digest: string }[] }> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head = first.done ? Request.create() : first.value;
  const archive = async function* (): AsyncGenerator<Uint8Array> {
    if (head.data.length > 0) yield head.data;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value.data;
  };
  const records = await images.importArchive(call, archive(), {
    name: head.name,
    snapshotter: head.snapshotter || defaults.snapshotter,
    signal: call.signal,
  });
  return { images: records.map((record) => ({ name: record.name, digest: record.target.digest })) };
}
