/** Infos per message of the lists that are streamed, as in containerd. */
const BLOCK = 100;
/** Bytes of such a message, about: ttrpc carries 4 MiB, and containerd's own blocks may be longer. */
const BLOCK_BYTES = 1 << 20;

/** Cuts a list into blocks of 100, or of a megabyte where those would be longer. */
export function* inBlocks<T>(items: Iterable<T>, sizeOf: (item: T) => number): Generator<T[]> {
  let block: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (block.length === BLOCK || (block.length > 0 && bytes + size > BLOCK_BYTES)) {
      yield block;
      block = [];
      bytes = 0;
    }
    block.push(item);
    bytes += size;
  }
  if (block.length > 0) yield block;
}

/** What a record costs beside its texts: times, numbers, a digest. */
const REST = 512;

/** Bytes of a record on the wire, about: what has no bound in it are its labels. */
export function sizeWithLabels({
  labels = {},
}: {
  readonly labels?: Readonly<Record<string, string | undefined>>;
}): number {
  let bytes = REST;
  for (const [key, value] of Object.entries(labels))
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value ?? "") + 8;
  return bytes;
}
