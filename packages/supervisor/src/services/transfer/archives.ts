// Imports and exports of the transfer service: archives in byte streams.
import { unimplemented } from "@berth/base";
import type { ImageExportStream, ImageImportStream, ImageStore } from "@berth/proto/containerd/types/transfer";
import { receiveBytes, sendBytes } from "./byte-streams.ts";
import { archivedNames, namingOf, unpacksOf } from "./image-store.ts";
import { createTeller } from "./progress.ts";
import type { Transferring } from "./transfer.ts";

export async function importImages(work: Transferring, from: ImageImportStream, to: ImageStore): Promise<void> {
  const { deps, call, take } = work;
  if (from.forceCompress) throw unimplemented("layers are stored as the archive has them: leave force_compress out");
  const [unpack] = unpacksOf(deps, call.namespace, to.unpacks);
  const teller = createTeller(work.progress, "downloading");
  await teller.tell("Importing");
  const images = await deps.images.importArchive(call, receiveBytes(take(from.stream)), {
    name: "",
    snapshotter: unpack?.snapshotter ?? "",
    rules: {
      namesOf: (image) => archivedNames(to, image),
      index: namingOf(to),
      labels: to.labels,
      anyPlatform: to.platforms.length === 0,
    },
    signal: call.signal,
  });
  for (const { name, target } of images) await teller.tell("saved", name, target);
  await teller.tell("Completed import");
}

export async function exportImages(work: Transferring, from: ImageStore, to: ImageExportStream): Promise<void> {
  const { deps, call, take } = work;
  const teller = createTeller(work.progress, "uploading");
  const stream = take(to.stream);
  await teller.tell("Exporting");
  try {
    const names = namingOf(from).names.map(({ name }) => name);
    const platforms = to.allPlatforms ? "all" : to.platforms;
    const archive = await deps.images.exportArchive(call, names, platforms, {
      dockerManifest: !to.skipCompatibilityManifest,
      nonDistributable: !to.skipNonDistributable,
    });
    await sendBytes(stream, archive.bytes);
  } catch (error) {
    // Without it, half an archive would look like a whole one.
    stream.close(error);
    throw error;
  }
  stream.close();
  await teller.tell("Completed export");
}

/** The bytes of one stream to the other, as they are: what clients test their streams with. */
export async function echo({ take }: Transferring, from: ImageImportStream, to: ImageExportStream): Promise<void> {
  const bytes = receiveBytes(take(from.stream));
  await sendBytes(take(to.stream), bytes);
}
