// One blob on its way to a registry (OCI distribution specification 1.1, "Pushing blobs"): mounted from another repository,
// sent in one piece, or in chunks and after an interruption from where the registry has got to.
import type { Readable } from "node:stream";
import { BerthError, kindOf, unavailable } from "@berth/base";
import { type Connected, type Connections, isOfEndpoint, urlOf } from "./connections.ts";
import { type HttpResponse, originOf } from "./http.ts";
import { RefusedByRegistry } from "./status.ts";

/** A blob as it is read here. */
export interface UploadSource {
  readonly digest: string;
  readonly size: number;
  /** Makes bodies of requests: so many bytes from there. */
  body(offset: number, length: number): () => Readable;
}

export interface UploadOptions {
  readonly connections: Connections;
  /** Of the repository: `library/busybox`. */
  readonly path: string;
  /** Another repository of this registry that may have it; "" for none. */
  readonly mountFrom: string;
  /** Bytes of a chunk; a blob of no more is sent in one piece. */
  readonly chunkBytes: number;
  /** Told before each request with bytes, of how many the registry has. */
  readonly onOffset: (offset: number) => void;
  readonly signal: AbortSignal;
}

/** How a blob has come to be there. */
export type Uploaded = "there" | "mounted" | "sent";

/** Requests in a row that bring an upload forward; to be repeated after a failure. */
export interface Upload {
  /** "more": there is more to do. Throws what a request throws, and permission or refusals of the registry. */
  step(one: Connected): Promise<Uploaded | "more">;
}

/** An upload that the registry has given a place. */
interface Session {
  /** URL for the next request; each answer names the next one. */
  readonly location: string;
  /** Bytes that it has. */
  readonly offset: number;
  /** Bytes of a chunk, as large as the registry wants them at least. */
  readonly chunkBytes: number;
}

/** Times that an upload is begun which the registry forgets. */
const MOST_BEGUN = 4;
/** Milliseconds in which a registry may read a large blob once more before it answers. */
const CLOSING_MS = 300_000;
/** Answers of registries that take no chunks, or not these. */
const noChunks = new Set([400, 404, 405, 411, 413, 415, 416]);

export function createUpload(source: UploadSource, options: UploadOptions): Upload {
  const { digest, size } = source;
  const { connections, path, chunkBytes, onOffset, signal } = options;
  const push = `repository:${path}:pull,push`;
  let session: Session | null = null;
  /** What the registry has is not known: nothing was asked yet, or the last request has failed. */
  let isUncertain = true;
  let { mountFrom } = options;
  let isChunked = size > chunkBytes;
  let begun = 0;

  const blobsUrl = ({ endpoint }: Connected, what: string, query = {}) => urlOf(endpoint, path, `blobs/${what}`, query);
  const next = (response: HttpResponse, before: Session, offset: number): Session => {
    const location = response.header("location");
    return { ...before, location: location === "" ? before.location : placeOf(response, location), offset };
  };

  async function isThere(one: Connected): Promise<boolean> {
    const request = { scope: push, method: "HEAD", url: blobsUrl(one, digest), headers: {}, signal } as const;
    const response = await connections.ask(one, { ...request, good: [200, 400, 404, 405, 501] });
    response.discard();
    return response.status === 200;
  }

  async function begin(one: Connected): Promise<"mounted" | "more"> {
    if (begun === MOST_BEGUN) throw unavailable("it loses the upload again and again");
    const response = await post(one);
    response.discard();
    begun++;
    mountFrom = "";
    if (response.status === 201) return "mounted";
    const location = response.header("location");
    if (location === "") throw unavailable("it begins an upload and does not say where");
    const least = Number(response.header("oci-chunk-min-length"));
    session = {
      location: placeOf(response, location),
      offset: 0,
      chunkBytes: Number.isSafeInteger(least) ? Math.max(chunkBytes, least) : chunkBytes,
    };
    return "more";
  }

  /** 201 after a mount, 202 with the place of an upload. */
  async function post(one: Connected): Promise<HttpResponse> {
    const request = { method: "POST", headers: {}, signal } as const;
    const from = mountFrom;
    if (from !== "") {
      const scope = `${push} repository:${from}:pull`;
      const url = blobsUrl(one, "uploads/", { mount: digest, from });
      try {
        return await connections.ask(one, { ...request, scope, url, good: [201, 202] });
      } catch (error) {
        signal.throwIfAborted();
        if (!isRefusal(error)) throw error;
        mountFrom = "";
      }
    }
    return await connections.ask(one, { ...request, scope: push, url: blobsUrl(one, "uploads/"), good: [202] });
  }

  async function sendChunk(one: Connected, now: Session): Promise<"more"> {
    const { location, offset } = now;
    const length = Math.min(now.chunkBytes, size - offset);
    onOffset(offset);
    const headers = { ...ofBytes(length), "content-range": `${offset}-${offset + length - 1}` };
    const body = source.body(offset, length);
    const request = { scope: push, method: "PATCH", url: location, headers, body, signal } as const;
    try {
      const response = await connections.ask(one, { ...request, good: [202] });
      response.discard();
      const taken = offsetOf(response) ?? offset + length;
      if (taken <= offset || taken > offset + length)
        throw unavailable(`it gets bytes ${offset} to ${offset + length} and says that it has ${taken}`);
      session = next(response, now, taken);
    } catch (error) {
      if (!(error instanceof RefusedByRegistry) || !noChunks.has(error.status)) throw error;
      // It may have forgotten the upload, too: whichever it is, one piece needs neither chunks nor a memory.
      isChunked = false;
      session = null;
    }
    return "more";
  }

  /** What is left, which is nothing after chunks, and the end. */
  async function close(one: Connected, { location, offset }: Session): Promise<"sent"> {
    const url = new URL(location);
    url.searchParams.set("digest", digest);
    const length = size - offset;
    onOffset(offset);
    const range = offset > 0 && length > 0 ? { "content-range": `${offset}-${size - 1}` } : {};
    const response = await connections.ask(one, {
      scope: push,
      method: "PUT",
      url: url.href,
      headers: { ...ofBytes(length), ...range },
      ...(length === 0 ? {} : { body: source.body(offset, length) }),
      signal,
      good: [201, 204],
      ...(size > chunkBytes ? { answerTimeoutMs: CLOSING_MS } : {}),
    });
    response.discard();
    return "sent";
  }

  /** Where the registry has got to; null if it has forgotten the upload. */
  async function resume(one: Connected, before: Session): Promise<Session | null> {
    const request = { scope: push, method: "GET", url: before.location, headers: {}, signal } as const;
    const response = await connections.ask(one, { ...request, good: [204, 202, 200, 400, 404, 405, 416] });
    response.discard();
    const offset = offsetOf(response) ?? 0;
    return response.status < 300 && offset <= size ? next(response, before, offset) : null;
  }

  async function forward(one: Connected): Promise<Uploaded | "more"> {
    if (isUncertain) {
      if (await isThere(one)) return begun === 0 ? "there" : "sent";
      if (session !== null) session = await resume(one, session);
    }
    if (session === null) return await begin(one);
    return isChunked && session.offset < size ? await sendChunk(one, session) : await close(one, session);
  }

  return {
    async step(one) {
      try {
        const outcome = await forward(one);
        isUncertain = false;
        return outcome;
      } catch (error) {
        isUncertain = true;
        throw elsewhere(error, one, session);
      }
    },
  };
}

const ofBytes = (length: number) => ({
  "content-type": "application/octet-stream",
  "content-length": String(length),
});

/** A location is often relative to what was asked for. */
function placeOf(response: HttpResponse, location: string): string {
  const place = URL.parse(location, response.url);
  if (place === null || !["http:", "https:"].includes(place.protocol))
    throw unavailable(`it sends the upload to ${JSON.stringify(location.slice(0, 200))}, which is no address`);
  return place.href;
}

/** Bytes that the registry has; null if it does not say. Docker's registry writes 0-0 for none. */
function offsetOf(response: HttpResponse): number | null {
  const last = /^(?:bytes[= ])?0-(\d+)/.exec(response.header("range"))?.[1];
  if (last === undefined) return null;
  return last === "0" ? 0 : Number(last) + 1;
}

const isRefusal = (error: unknown): boolean =>
  (error instanceof RefusedByRegistry && !error.isPassing) ||
  ["unauthenticated", "permission-denied"].includes(kindOf(error));

/** Says who has refused an upload that the registry had sent elsewhere, without credentials. */
function elsewhere(error: unknown, { endpoint }: Connected, session: Session | null): unknown {
  if (!(error instanceof RefusedByRegistry) || session === null || isOfEndpoint(endpoint, session.location))
    return error;
  const told = `${originOf(session.location)}, to which it sends the upload and which gets no credentials: ${error.message}`;
  return error.isPassing ? error : new BerthError(error.kind, told, { cause: error });
}
