import type { Init } from "@berth/proto";
import type { ListImagesResponse } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import type { ImageStore } from "@berth/store";
import { imageToProto } from "../convert-image.ts";
import { inBlocks, sizeWithLabels } from "../in-blocks.ts";

/** The images of a namespace by name, in messages of a size that every wire carries. */
export async function* listImages(
  images: ImageStore,
  filters: readonly string[],
  call: Call,
): AsyncGenerator<Init<ListImagesResponse>> {
  for (const block of inBlocks(images.list(call, filters).map(imageToProto), sizeOf)) yield { images: block };
}

const sizeOf = ({ labels, target }: ReturnType<typeof imageToProto>): number =>
  sizeWithLabels({ labels }) + sizeWithLabels({ labels: target?.annotations ?? {} });
