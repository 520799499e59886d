import { Image } from "@berth/proto/containerd/services/images/v1";
import type { ImageRecord } from "@berth/store";
import { timestampOf } from "./convert-common.ts";
import { descriptorFromProto, descriptorToProto } from "./convert-descriptor.ts";

export type ImageInput = Omit<ImageRecord, "createdAt" | "updatedAt">;

export function imageFromProto(given: Image | null): ImageInput {
  const image = given ?? Image.create();
  return { name: image.name, labels: image.labels, target: descriptorFromProto(image.target) };
}

export const imageToProto = (record: ImageRecord): Image => ({
  name: record.name,
  labels: { ...record.labels },
  target: descriptorToProto(record.target),
  createdAt: timestampOf(record.createdAt),
  updatedAt: timestampOf(record.updatedAt),
});
