import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Descriptor, isAlreadyExists, type Log, type Mount, unimplemented } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { damaged } from "./documents.ts";
import { fieldOf, type JsonObject } from "./json.ts";
import { DOCKER_LAYER, isLayer, OCI_LAYER } from "./media-types.ts";
import { runUnpack } from "./run-unpack.ts";
import type { Differ } from "./types.ts";

/** What each media type of a diff is compressed with. */
const compressions: Readonly<Record<string, "none" | "gzip" | "zstd">> = {
  "": "gzip",
  [OCI_LAYER]: "none",
  [`${OCI_LAYER}+gzip`]: "gzip",
  [`${OCI_LAYER}+zstd`]: "zstd",
  [DOCKER_LAYER]: "none",
  [`${DOCKER_LAYER}.gzip`]: "gzip",
};

export const UNCOMPRESSED = "containerd.io/uncompressed";

export interface DifferOptions {
  readonly store: Store;
  /** The built berth-unpack. */
  readonly unpackPath: string;
  /** A directory of ours alone; a directory to mount on is made in it. */
  readonly stateDir: string;
  readonly log: Log;
}

/** Throws data-loss if what has failed with a layer failed because its blob is damaged, which is noted then. */
export async function blameBlob({ content }: Store, digest: string, cause: unknown): Promise<void> {
  const damage = await content.verify(digest);
  if (damage !== null) throw damaged(`layer ${digest}`, damage, cause);
}

/** A differ that runs berth-unpack for every layer: untrusted bytes are handled by a confined process. */
export function openDiffer({ store, unpackPath, stateDir, log }: DifferOptions): Differ {
  // One for all: the mounts on it are private to each process.
  const mountPoint = join(stateDir, "unpack");
  mkdirSync(mountPoint, { recursive: true, mode: 0o700 });

  return {
    async apply(scope: Scope, layer: Descriptor, mounts: readonly Mount[], signal: AbortSignal): Promise<Descriptor> {
      if (!isLayer(layer.mediaType))
        throw unimplemented(
          `layer ${layer.digest} has media type ${JSON.stringify(layer.mediaType)}, which is not supported`,
        );
      let answer: JsonObject;
      try {
        const blob = await store.content.path(scope, layer.digest);
        const job = { blob, name: layer.digest, mounts, mountPoint };
        answer = await runUnpack({ program: unpackPath, command: "apply", job, signal, onOutput: null });
      } catch (error) {
        if (!signal.aborted) await blameBlob(store, layer.digest, error);
        throw error;
      }
      const ignored = Array.isArray(answer.ignored) ? answer.ignored : [];
      if (ignored.length > 0)
        log.warn("extended attributes of a layer were left out", { digest: layer.digest, count: ignored.length });
      return {
        mediaType: OCI_LAYER,
        digest: fieldOf(answer, "digest", "string"),
        size: fieldOf(answer, "size", "number"),
        annotations: {},
      };
    },

    async diff(scope, lower, upper, options) {
      const mediaType = options.mediaType === "" ? `${OCI_LAYER}+gzip` : options.mediaType;
      const compression = compressions[mediaType];
      if (compression === undefined)
        throw unimplemented(`a diff of media type ${JSON.stringify(mediaType)} cannot be made: use ${OCI_LAYER}+gzip`);
      const ref = options.ref === "" ? `diff-${process.hrtime.bigint()}` : options.ref;
      await using writer = await store.content.writer(scope, { ref, total: 0, expected: "" });
      // A ref that was left half written starts again: the trees may have changed.
      await writer.truncate(0);
      let size = 0;
      const answer = await runUnpack({
        program: unpackPath,
        command: "diff",
        job: { lower, upper, mountPoint, compression },
        signal: options.signal,
        onOutput: async (chunk) => {
          size += chunk.length;
          await writer.write(chunk);
        },
      });
      const digest = writer.digest();
      const labels =
        compression === "none"
          ? options.labels
          : { ...options.labels, [UNCOMPRESSED]: fieldOf(answer, "diffId", "string") };
      try {
        await writer.commit({ size, expected: digest, labels });
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        store.content.update(
          scope,
          { digest, labels },
          Object.keys(labels).map((key) => `labels.${key}`),
        );
      }
      return { mediaType, digest, size, annotations: {} };
    },
  };
}
