// Checkpoints travel as content: a tar of CRIU's image directory, and the container's spec beside it.
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Descriptor, invalidArgument, isAlreadyExists } from "@berth/base";
import type { ContainerRecord, ContentStore } from "@berth/store";
import type { EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";

const imageType = "application/vnd.containerd.container.criu.checkpoint.criu.tar";
const configType = "application/vnd.containerd.container.checkpoint.config.v1+proto";
const tarType = "application/vnd.oci.image.layer.v1.tar";

const bind = (source: string, access: "ro" | "rw") => ({
  type: "bind",
  source,
  target: "",
  options: ["rbind", access],
});

/** Lays a checkpoint out in a directory for the runtime to restore from. */
export async function layOutCheckpoint(
  { differ }: EngineDeps,
  caller: Caller,
  checkpoint: Descriptor,
  directory: string,
): Promise<void> {
  if (checkpoint.mediaType !== imageType)
    throw invalidArgument(`checkpoint has media type ${checkpoint.mediaType} instead of ${imageType}`);
  await differ.apply(caller, { ...checkpoint, mediaType: tarType }, [bind(directory, "rw")], caller.signal);
}

/** Stores what the runtime has written into `directory/image`, and the spec; returns the descriptors of both. */
export async function keepCheckpoint(
  { store: { content }, differ }: EngineDeps,
  caller: Caller,
  directory: string,
  container: ContainerRecord,
): Promise<Descriptor[]> {
  const empty = join(directory, "empty");
  await mkdir(empty);
  const image = await differ.diff(caller, [bind(empty, "ro")], [bind(imageIn(directory), "ro")], {
    mediaType: tarType,
    ref: directory,
    labels: {},
    signal: caller.signal,
  });
  const spec = container.spec?.value ?? new Uint8Array();
  return [{ ...image, mediaType: imageType }, await keepBytes(content, caller, `${directory}/spec`, configType, spec)];
}

/** Where the runtime is to write to in a directory that is given to `keepCheckpoint`. */
export const imageIn = (directory: string): string => join(directory, "image");

async function keepBytes(
  content: ContentStore,
  caller: Caller,
  ref: string,
  mediaType: string,
  bytes: Uint8Array,
): Promise<Descriptor> {
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  try {
    await using writer = await content.writer(caller, { ref, total: bytes.length, expected: digest });
    await writer.write(bytes);
    await writer.commit({ size: bytes.length, expected: digest, labels: {} });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  return { mediaType, digest, size: bytes.length, annotations: {} };
}
