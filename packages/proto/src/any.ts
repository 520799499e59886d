// google.protobuf.Any as containerd uses it: type URLs of messages are bare full names, without a
// host; Go structs travel as JSON under URLs of their own.
import type { Init, MessageType } from "./codec.ts";
import type { Any } from "./gen/google/protobuf.ts";

/** JSON values of the OCI runtime specification, in Any.value as UTF-8. */
export const typeUrls = {
  spec: "types.containerd.io/opencontainers/runtime-spec/1/Spec",
  process: "types.containerd.io/opencontainers/runtime-spec/1/Process",
  linuxResources: "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
  features: "types.containerd.io/opencontainers/runtime-spec/1/features/Features",
} as const;

export function packAny<T extends object>(type: MessageType<T>, value: Init<T>): Any {
  return { typeUrl: type.typeName, value: type.encode(value) };
}

/** True for the bare name, and for the name behind a host (`type.googleapis.com/NAME`). */
export function isType(any: { readonly typeUrl: string }, type: { readonly typeName: string }): boolean {
  return any.typeUrl === type.typeName || any.typeUrl.endsWith(`/${type.typeName}`);
}

/** The message inside, or null where the Any holds another type. Throws DecodeError. */
export function unpackAny<T extends object>(type: MessageType<T>, any: Any): T | null {
  return isType(any, type) ? type.decode(any.value) : null;
}
