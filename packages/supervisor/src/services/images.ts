import { invalidArgument } from "@berth/base";
import type { Images } from "@berth/proto/containerd/services/images/v1";
import type { ServiceImpl } from "@berth/rpc";
import type { Collector, ImageStore } from "@berth/store";
import { pathsOf } from "./convert-common.ts";
import { imageFromProto, imageToProto } from "./convert-image.ts";

export function imagesService({
  images,
  collector,
}: {
  images: ImageStore;
  collector: Collector;
}): ServiceImpl<typeof Images> {
  const named = (image: ReturnType<typeof imageFromProto>) => {
    if (image.name === "") throw invalidArgument("image name is required");
    return image;
  };
  return {
    get: (req, call) => ({ image: imageToProto(images.get(call, req.name)) }),
    list: (req, call) => ({ images: images.list(call, req.filters).map(imageToProto) }),
    create(req, call) {
      const image = images.create(call, named(imageFromProto(req.image)));
      return { image: imageToProto(image) };
    },
    update(req, call) {
      const image = images.update(call, named(imageFromProto(req.image)), pathsOf(req.updateMask));
      return { image: imageToProto(image) };
    },
    async delete(req, call) {
      const target = req.target?.digest ?? "";
      images.delete(call, req.name, target === "" ? {} : { target });
      if (req.sync) await collector.collect();
      return {};
    },
  };
}
