// What a transfer goes from and to: the messages that containerd's transfer service knows.
import { invalidArgument, messageOf, unimplemented, unknownError } from "@berth/base";
import type { MessageType } from "@berth/proto";
import { ImageExportStream, ImageImportStream, ImageStore, OCIRegistry } from "@berth/proto/containerd/types/transfer";
import type { Any } from "@berth/proto/google/protobuf";

export type TransferObject =
  | { readonly kind: "registry"; readonly value: OCIRegistry }
  | { readonly kind: "store"; readonly value: ImageStore }
  | { readonly kind: "import"; readonly value: ImageImportStream }
  | { readonly kind: "export"; readonly value: ImageExportStream }
  /** Of another type of containerd's, which nothing is transferred from or to. */
  | { readonly kind: "other" };

/** Throws unknown for a type that nobody knows, in containerd's words, and invalid-argument for what is damaged. */
export function objectIn(any: Any | null): TransferObject {
  const typeUrl = any?.typeUrl ?? "";
  const bytes = any?.value ?? new Uint8Array();
  switch (typeUrl.slice(typeUrl.lastIndexOf("/") + 1)) {
    case OCIRegistry.typeName:
      return { kind: "registry", value: decode(OCIRegistry, bytes) };
    case ImageStore.typeName:
      return { kind: "store", value: decode(ImageStore, bytes) };
    case ImageImportStream.typeName:
      return { kind: "import", value: decode(ImageImportStream, bytes) };
    case ImageExportStream.typeName:
      return { kind: "export", value: decode(ImageExportStream, bytes) };
    default:
      if (typeUrl.startsWith("containerd.")) return { kind: "other" };
      throw unknownError(`type with url ${typeUrl.slice(0, 200)}: not found`);
  }
}

function decode<T extends object>(type: MessageType<T>, bytes: Uint8Array): T {
  try {
    return type.decode(bytes);
  } catch (error) {
    throw invalidArgument(`${type.typeName} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** In containerd's words. */
export const notImplemented = (from: Any | null, to: Any | null): Error =>
  unimplemented(`method Transfer not implemented for ${from?.typeUrl ?? ""} to ${to?.typeUrl ?? ""}`);
