/** Infos per message of the lists that are streamed, as in containerd. */
const BLOCK = 100;

/** Cuts a list into blocks of 100. */
export function* inBlocks<T>(items: readonly T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += BLOCK) yield items.slice(at, at + BLOCK);
}
