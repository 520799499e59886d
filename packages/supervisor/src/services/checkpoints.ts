// Checkpoints travel as content: a tar of CRIU's image directory, and the container's spec beside it.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Descriptor, invalidArgument, isAlreadyExists } from "@berth/base";
import type { Differ } from "@berth/images";
import type { Call } from "@berth/rpc";
import type { ContainerRecord, ContentStore } from "@berth/store";

const imageType = "application/vnd.containerd.container.criu.checkpoint.criu.tar";
const configType = "application/vnd.containerd.container.checkpoint.config.v1+proto";
const tarType = "application/vnd.oci.image.layer.v1.tar";

interface Needs {
  readonly content: ContentStore;
  readonly differ: Differ;
}

const bind = (source: string, access: "ro" | "rw") => ({
  type: "bind",
  source,
  target: "",
  options: ["rbind", access],
});

/** A directory that is gone at the end of the scope. */
export async function scratchDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "berth-checkpoint-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Lays a checkpoint out in a directory for the runtime to restore from. */
export async function layOutCheckpoint(
  { differ }: Needs,
  call: Call,
  checkpoint: Descriptor,
  directory: string,
): Promise<void> {
  if (checkpoint.mediaType !== imageType)
    throw invalidArgument(`checkpoint has media type ${checkpoint.mediaType} instead of ${imageType}`);
  await differ.apply(call, { ...checkpoint, mediaType: tarType }, [bind(directory, "rw")], call.signal);
}

/** Stores a directory that the runtime has filled, and the spec; returns the descriptors of both. */
export async function keepCheckpoint(
  { content, differ }: Needs,
  call: Call,
  directory: string,
  container: ContainerRecord,
): Promise<Descriptor[]> {
  const empty = join(directory, "..", `${directory.split("/").at(-1)}-empty`);
  await mkdir(empty);
  try {
    const image = await differ.diff(call, [bind(empty, "ro")], [bind(directory, "ro")], {
      mediaType: tarType,
      ref: directory,
      labels: {},
      signal: call.signal,
    });
    const spec = container.spec?.value ?? new Uint8Array();
    return [{ ...image, mediaType: imageType }, await keepBytes(content, call, `${directory}/spec`, configType, spec)];
  } finally {
    await rm(empty, { recursive: true, force: true });
  }
}

async function keepBytes(
  content: ContentStore,
  call: Call,
  ref: string,
  mediaType: string,
  bytes: Uint8Array,
): Promise<Descriptor> {
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  try {
    await using writer = await content.writer(call, { ref, total: bytes.length, expected: digest });
    await writer.write(bytes);
    await writer.commit({ size: bytes.length, expected: digest, labels: {} });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  return { mediaType, digest, size: bytes.length, annotations: {} };
}
