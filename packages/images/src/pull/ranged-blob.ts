// A large blob in parts that are fetched at the same time: one connection to a registry far away is slower than the line.
import type { Descriptor } from "@berth/base";
import type { BlobOptions, Piece, Repository } from "../registry/repository.ts";

export interface Ranges {
  /** Bytes of a part; each that is ahead of the others is held in memory. 0: blobs are fetched in one piece. */
  readonly part: number;
  /** Parts of one blob that are fetched at once. */
  readonly atOnce: number;
}

/** As `Repository.blob`. A registry that knows no ranges is asked for one piece after the first part. */
export async function* rangedBlob(
  repository: Repository,
  wanted: Descriptor,
  { offset, distrusted, signal }: Omit<BlobOptions, "end">,
  { part, atOnce }: Ranges,
): AsyncGenerator<Piece, void> {
  const whole = (from: number) => repository.blob(wanted, { offset: from, distrusted, signal });
  if (part === 0 || atOnce < 2 || wanted.size - offset <= part) return yield* whole(offset);
  let at = Math.min(wanted.size, offset + part);
  let knowsRanges = true;
  for await (const piece of repository.blob(wanted, { offset, end: at, distrusted, signal })) {
    knowsRanges &&= piece.isRange;
    yield piece;
  }
  if (!knowsRanges) return yield* whole(at);
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  const fetchPart = async (from: number): Promise<Piece[]> => {
    const end = Math.min(wanted.size, from + part);
    return await Array.fromAsync(repository.blob(wanted, { offset: from, end, distrusted, signal: both }));
  };
  const ahead: Promise<Piece[]>[] = [];
  try {
    while (at < wanted.size || ahead.length > 0) {
      for (; ahead.length < atOnce && at < wanted.size; at += part) {
        const pieces = fetchPart(at);
        pieces.catch(() => {}); // seen in its turn
        ahead.push(pieces);
      }
      yield* (await ahead.shift()) ?? [];
    }
  } finally {
    ended.abort();
    await Promise.allSettled(ahead);
  }
}
