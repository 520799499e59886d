// One repository of a registry, over whichever of the registry's endpoints answer (OCI distribution specification 1.1).
import { createHash } from "node:crypto";
import { type Descriptor, dataLoss, isDigest, unavailable } from "@berth/base";
import { MAX_DOCUMENT } from "../bounded-json.ts";
import { isIndex, isManifest, manifestTypes } from "../media-types.ts";
import { readBody } from "./body.ts";
import { type Connected, openConnections, type RepositoryOptions, urlOf } from "./connections.ts";
import { askEach, defaultFailOver } from "./fail-over.ts";
import type { HttpResponse } from "./http.ts";
import { Unreachable } from "./network-error.ts";
import type { Endpoint } from "./types.ts";

/** A manifest or index as a registry has it. */
export interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly endpoint: Endpoint;
}

/** A part of a blob, and who has sent it. */
export interface Piece {
  readonly data: Uint8Array;
  readonly endpoint: Endpoint;
  /** It answers for a range, and not with all of the blob. */
  readonly isRange: boolean;
}

export interface BlobOptions {
  /** Bytes that are here already. */
  readonly offset: number;
  /** Of the first byte that is not wanted; the blob's own where it is left out. */
  readonly end?: number;
  /** Endpoints that have sent wrong bytes. */
  readonly distrusted: ReadonlySet<Endpoint>;
  readonly signal: AbortSignal;
}

export interface Repository extends AsyncDisposable {
  /** What a tag means now. */
  resolve(tag: string, signal: AbortSignal): Promise<Descriptor>;
  /** The manifest or index of a digest, which it has. */
  document(digest: string, signal: AbortSignal): Promise<Document>;
  /**
   * The bytes of a blob from the offset to the end, as many as its descriptor says: where one endpoint stops in the middle,
   * the next goes on. They may be others than those of its digest. data-loss where nobody is left who can be trusted.
   */
  blob(wanted: Descriptor, options: BlobOptions): AsyncGenerator<Piece, void>;
}

/** `registry` and `path` as in a reference: `docker.io` and `library/busybox`. */
export function openRepository(registry: string, path: string, options: RepositoryOptions): Repository {
  const { failOver = defaultFailOver } = options;
  const connections = openConnections(registry, options);
  const { order, heard } = connections;
  const scope = `repository:${path}:pull`;
  const nameOf = (reference: string) => `${registry}/${path}${reference.includes(":") ? "@" : ":"}${reference}`;

  /** An answer of status 200, or of those that are named. */
  const ask = (
    one: Connected,
    method: "GET" | "HEAD",
    what: string,
    headers: Readonly<Record<string, string | readonly string[]>>,
    signal: AbortSignal,
    good: readonly number[] = [200],
  ): Promise<HttpResponse> =>
    connections.ask(one, { scope, method, url: urlOf(one.endpoint, path, what), headers, signal, good });

  async function documentFrom(one: Connected, reference: string, signal: AbortSignal): Promise<Document> {
    const response = await ask(one, "GET", `manifests/${reference}`, { accept: manifestTypes }, signal);
    const bytes = await readBody(response.body, MAX_DOCUMENT, "its manifest");
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (isDigest(reference) && digest !== reference) throw dataLoss(`it sends a manifest whose digest is ${digest}`);
    const mediaType = mediaTypeOf(response.header("content-type"), bytes);
    return { descriptor: { mediaType, digest, size: bytes.length, annotations: {} }, bytes, endpoint: one.endpoint };
  }

  async function tagFrom(one: Connected, tag: string, signal: AbortSignal): Promise<Descriptor> {
    const good = [200, 400, 405, 501];
    const response = await ask(one, "HEAD", `manifests/${tag}`, { accept: manifestTypes }, signal, good);
    response.discard();
    const digest = response.header("docker-content-digest");
    const size = Number(response.header("content-length"));
    const mediaType = essence(response.header("content-type"));
    const isWhole = isDigest(digest) && size > 0 && (isIndex(mediaType) || isManifest(mediaType));
    if (response.status === 200 && isWhole) return { mediaType, digest, size, annotations: {} };
    return (await documentFrom(one, tag, signal)).descriptor;
  }

  interface Range {
    readonly offset: number;
    readonly end: number;
  }

  async function rangeFrom(one: Connected, { digest, size }: Descriptor, { offset, end }: Range, signal: AbortSignal) {
    const isAll = offset === 0 && end === size;
    const headers = { accept: "*/*", ...(isAll ? {} : { range: `bytes=${offset}-${end - 1}` }) };
    const response = await ask(one, "GET", `blobs/${digest}`, headers, signal, isAll ? [200] : [200, 206]);
    // Who does not know ranges sends it from the start.
    const isRange = response.status === 206;
    const from = isRange ? Number(/^bytes (\d+)-/.exec(response.header("content-range"))?.[1]) : 0;
    if (from <= offset) return { one, response, isRange, skip: offset - from };
    response.body.destroy();
    throw unavailable(`it is asked for bytes from ${offset} and answers ${response.header("content-range")}`);
  }

  return {
    async resolve(tag, signal) {
      const all = await order();
      const wish = { what: `image ${nameOf(tag)} cannot be pulled`, registry, capability: "resolve", signal } as const;
      return await askEach(failOver, all, wish, (one) => heard(one, tagFrom(one, tag, signal)));
    },
    async document(digest, signal) {
      const all = await order();
      const what = `manifest ${nameOf(digest)} cannot be pulled`;
      const wish = { what, registry, capability: "pull", signal } as const;
      return await askEach(failOver, all, wish, (one) => heard(one, documentFrom(one, digest, signal)));
    },
    async *blob(wanted, { offset, end = wanted.size, distrusted, signal }) {
      let all = (await order()).filter(({ endpoint }) => !distrusted.has(endpoint));
      const what = `blob ${wanted.digest} of ${registry}/${path} cannot be pulled`;
      if (all.length === 0)
        throw dataLoss(`${what}: ${[...distrusted].map(({ url }) => url).join(", ")} sends bytes of another digest`);
      const wish = { what, registry, capability: "pull", signal } as const;
      let at = offset;
      let failures = 0;
      while (at < end) {
        const begun = at;
        const range = { offset: at, end };
        const from = await askEach(failOver, all, wish, (one) => heard(one, rangeFrom(one, wanted, range, signal)));
        const { isRange } = from;
        const { endpoint } = from.one;
        let failure: unknown = null;
        try {
          for await (const data of bodyFrom(from.response, from.skip, end - at)) {
            at += data.length;
            yield { data, endpoint, isRange };
          }
        } catch (error) {
          signal.throwIfAborted();
          failure = error;
        } finally {
          from.response.body.destroy();
        }
        if (at === end) return;
        // Whoever has stopped is asked last.
        all = [...all.filter((one) => one !== from.one), from.one];
        failures = at > begun ? 1 : failures + 1;
        if (failures > failOver.rounds * all.length)
          throw new Unreachable(`${what}: ${endpoint.url}: it stops after ${at} of ${wanted.size} bytes: `, failure);
      }
    },
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  };
}

/** The bytes after the first `skip`, `length` at most: whoever sends more sends another blob, as its digest will show. */
async function* bodyFrom({ body }: HttpResponse, skip: number, length: number): AsyncGenerator<Uint8Array, void> {
  let left = length;
  let skipped = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    const from = Math.min(skip - skipped, chunk.length);
    skipped += from;
    const data = chunk.subarray(from, from + left);
    left -= data.length;
    if (data.length > 0) yield data;
    if (left === 0) return;
  }
}

const essence = (contentType: string): string => (contentType.split(";")[0] ?? "").trim().toLowerCase();

/** What the header says, where that is a manifest's or an index's; otherwise what the document says, or looks like. */
function mediaTypeOf(contentType: string, bytes: Uint8Array): string {
  const told = essence(contentType);
  if (isIndex(told) || isManifest(told)) return told;
  const said = /"mediaType"\s*:\s*"([^"]*)"/.exec(new TextDecoder().decode(bytes.subarray(0, 4096)))?.[1] ?? "";
  return isIndex(said) || isManifest(said) ? said : told;
}
