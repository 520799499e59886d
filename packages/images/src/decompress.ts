import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { BerthError, dataLoss, messageOf, unimplemented } from "@berth/base";

const unsupported: readonly (readonly [name: string, magic: readonly number[]])[] = [
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lz4", [0x04, 0x22, 0x4d, 0x18]],
];

/** Bytes of output at a time: each piece costs a turn of the loop and a trip through the thread pool. */
const CHUNK = 256 << 10;

const startsWith = (head: Uint8Array, magic: readonly number[]): boolean =>
  magic.every((byte, at) => head[at] === byte);

export const isGzip = (head: Uint8Array): boolean => startsWith(head, [0x1f, 0x8b]);
export const isZstd = (head: Uint8Array): boolean => startsWith(head, [0x28, 0xb5, 0x2f, 0xfd]);

/**
 * The archive's tar, whatever it is compressed with, told by its first bytes. unimplemented for a compression that is
 * known but not supported; data-loss where the compressed bytes are damaged.
 */
export async function* decompressed(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const iterator = archive[Symbol.asyncIterator]();
  const first = await headOf(iterator);
  const whole = chunks(first, iterator);
  const name = unsupported.find(([, magic]) => startsWith(first, magic))?.[0];
  if (name !== undefined) {
    await iterator.return?.();
    throw unimplemented(`the archive is compressed with ${name}, which is not supported: use gzip, zstd or none`);
  }
  const kind = isGzip(first) ? "gzip" : isZstd(first) ? "zstd" : null;
  if (kind === null) {
    yield* whole;
    return;
  }
  const options = { chunkSize: CHUNK };
  const decoder = kind === "gzip" ? createGunzip(options) : createZstdDecompress(options);
  let cause: unknown = null;
  // Its failure destroys the decoder, which is read below: the error is seen there.
  const piping = pipeline(Readable.from(whole, { objectMode: false }), decoder).catch((error: unknown) => {
    cause = error;
  });
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
  } catch (error) {
    const reason = cause ?? error;
    if (reason instanceof BerthError) throw reason;
    throw dataLoss(`the archive is not valid ${kind} data: ${messageOf(reason)}`, { cause: reason });
  } finally {
    decoder.destroy();
    await piping;
  }
}

/** At least 6 bytes, where there are so many. */
async function headOf(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array();
  while (head.length < 6) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  return head;
}

async function* chunks(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  try {
    if (first.length > 0) yield first;
    for (;;) {
      const { done, value } = await rest.next();
      if (done === true) return;
      yield value;
    }
  } finally {
    await rest.return?.();
  }
}
