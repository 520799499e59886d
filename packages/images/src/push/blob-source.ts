// A blob of the store as the body of requests: read in pieces, and hashed on the way, so that bytes that are not those of
// its digest never arrive as a whole.
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { type Descriptor, failedPrecondition, isNotFound } from "@berth/base";
import { type ContentStore, DamagedBlob, type Scope } from "@berth/store";
import { damaged } from "../documents.ts";
import type { UploadSource } from "../registry/upload.ts";

/** Bytes that are read and hashed before others get their turn. */
const PIECE = 256 << 10;

export interface BlobSource extends UploadSource, AsyncDisposable {
  /** What reading has come to; null while it goes well. */
  readonly failure: unknown;
}

/** `name` it in errors: `layer sha256:…`. Throws data-loss if it is damaged; `onBytes` is told of each piece that is sent. */
export async function openBlobSource(
  { content }: { readonly content: Pick<ContentStore, "reader" | "verify"> },
  scope: Scope,
  { digest }: Descriptor,
  name: string,
  onBytes: (count: number) => void,
): Promise<BlobSource> {
  const reader = await content.reader(scope, digest).catch((error: unknown) => {
    if (error instanceof DamagedBlob) throw damaged(name, error.why, error);
    if (isNotFound(error)) throw failedPrecondition(`${name} is not in the content store any more`, { cause: error });
    throw error;
  });
  const { size } = reader;
  const hash = createHash("sha256");
  /** Bytes that were hashed: what is sent once more was before. */
  let hashed = 0;
  let failure: unknown = null;

  /** Takes bytes that were not hashed before. False if they end the blob, and it has another digest. */
  function isAsItWas(fresh: Uint8Array): boolean {
    if (fresh.length === 0) return true;
    hash.update(fresh);
    hashed += fresh.length;
    return hashed < size || `sha256:${hash.digest("hex")}` === digest;
  }

  async function piece(offset: number, length: number): Promise<Uint8Array> {
    try {
      const data = await reader.read(offset, length);
      if (data.length === length && isAsItWas(data.subarray(Math.max(0, hashed - offset)))) return data;
      throw damaged(name, (await content.verify(digest)) ?? "its bytes have changed while they were read");
    } catch (error) {
      failure = error;
      throw error;
    }
  }

  async function* pieces(from: number, length: number): AsyncGenerator<Uint8Array, void> {
    for (let offset = from; offset < from + length; ) {
      const data = await piece(offset, Math.min(PIECE, from + length - offset));
      offset += data.length;
      onBytes(data.length);
      yield data;
    }
  }

  return {
    digest,
    size,
    get failure() {
      return failure;
    },
    body: (offset, length) => () => Readable.from(pieces(offset, length), { objectMode: false }),
    [Symbol.asyncDispose]: () => reader.close(),
  };
}
