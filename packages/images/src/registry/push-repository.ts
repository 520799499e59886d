// One repository of a registry, as a push writes to it: whichever endpoint answers first takes all of it.
import { dataLoss, isDigest } from "@berth/base";
import { manifestTypes } from "../media-types.ts";
import { type Connected, openConnections, type RepositoryOptions, urlOf } from "./connections.ts";
import { askEach, defaultFailOver } from "./fail-over.ts";
import { RefusedByRegistry } from "./status.ts";
import { createUpload, type Uploaded, type UploadSource } from "./upload.ts";

export interface PushOptions extends RepositoryOptions {
  /** Bytes of a chunk; a blob of no more is sent in one piece. */
  readonly chunkBytes?: number;
}

/** Lost at most when a connection is cut. Registries that want chunks of a least size want 5 or 10 MiB. */
const CHUNK = 32 << 20;

export interface ManifestToPut {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Uint8Array;
}

export interface BlobOptions {
  /** Another repository of this registry that may have it; "" for none. */
  readonly mountFrom: string;
  /** Told before bytes are sent, of how many the registry has. */
  readonly onOffset: (offset: number) => void;
  readonly signal: AbortSignal;
}

export interface PushRepository extends AsyncDisposable {
  /** Of the endpoint that takes the push; "" before one has answered. */
  readonly host: string;
  /** The digest that the registry has under a tag or a digest; "" if it has none. */
  digestOf(reference: string, signal: AbortSignal): Promise<string>;
  /** Brings a blob there. Throws what the registry says; a source that fails looks like a connection that does. */
  putBlob(source: UploadSource, options: BlobOptions): Promise<Uploaded>;
  /** Puts a manifest or index, whose parts are there, under a tag or its digest. */
  putManifest(reference: string, manifest: ManifestToPut, signal: AbortSignal): Promise<void>;
}

/** `registry` and `path` as in a reference: `docker.io` and `library/busybox`. */
export function openPushRepository(registry: string, path: string, options: PushOptions): PushRepository {
  const { failOver = defaultFailOver, chunkBytes = CHUNK } = options;
  const connections = openConnections(registry, options);
  const scope = `repository:${path}:pull,push`;
  let chosen: Connected | null = null;
  const nameOf = (reference: string) => `${registry}/${path}${reference.includes(":") ? "@" : ":"}${reference}`;

  async function each<T>(what: string, signal: AbortSignal, request: (one: Connected) => Promise<T>): Promise<T> {
    const all = chosen === null ? await connections.order() : [chosen];
    return await askEach(failOver, all, { what, registry, capability: "push", signal }, async (one) => {
      const answer = await connections.heard(one, request(one).catch(sayReadOnly));
      chosen ??= one;
      return answer;
    });
  }

  async function put(one: Connected, reference: string, manifest: ManifestToPut, signal: AbortSignal): Promise<void> {
    const { mediaType, digest, bytes } = manifest;
    const url = urlOf(one.endpoint, path, `manifests/${reference}`);
    const headers = { "content-type": mediaType, "content-length": String(bytes.length) };
    const body = () => bytes;
    const response = await connections.ask(one, { scope, method: "PUT", url, headers, body, signal, good: [201, 202] });
    response.discard();
    const stored = response.header("docker-content-digest");
    if (isDigest(stored) && stored !== digest) throw dataLoss(`it keeps the manifest as ${stored}`);
  }

  return {
    get host() {
      return chosen?.endpoint.host ?? "";
    },
    async digestOf(reference, signal) {
      return await each(`image ${nameOf(reference)} cannot be pushed`, signal, async (one) => {
        const url = urlOf(one.endpoint, path, `manifests/${reference}`);
        const headers = { accept: manifestTypes };
        const good = [200, 400, 404, 405, 501];
        const response = await connections.ask(one, { scope, method: "HEAD", url, headers, signal, good });
        response.discard();
        const digest = isDigest(reference) ? reference : response.header("docker-content-digest");
        return response.status === 200 ? digest : "";
      });
    },
    async putBlob(source, { mountFrom, onOffset, signal }) {
      const upload = createUpload(source, { connections, path, mountFrom, chunkBytes, onOffset, signal });
      const what = `blob ${source.digest} cannot be pushed to ${registry}/${path}`;
      for (;;) {
        const outcome = await each(what, signal, (one) => upload.step(one));
        if (outcome !== "more") return outcome;
      }
    },
    async putManifest(reference, manifest, signal) {
      const what = `manifest ${nameOf(reference)} cannot be pushed`;
      await each(what, signal, (one) => put(one, reference, manifest, signal));
    },
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  };
}

/** What mirrors answer, and registries that are being cleaned up. */
function sayReadOnly(error: unknown): never {
  if (error instanceof RefusedByRegistry && error.status === 405)
    throw new RefusedByRegistry(405, `${error.message}: it takes no pushes`, 0);
  throw error;
}
