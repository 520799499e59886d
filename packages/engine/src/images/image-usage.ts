import type { ImageHoldings } from "@berth/images";
import type { EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";
import { findImages } from "./find-image.ts";

/** Bytes. */
export interface ImageSize {
  readonly name: string;
  readonly blobs: number;
  readonly snapshots: number;
  /** Of both, what another image of the namespace has too, also one that is the same under another name. */
  readonly shared: number;
  readonly own: number;
}

/** What images take on the disk, and the sum of these, in which everything counts once. All where none is named. */
export async function imageUsage(
  { store, images }: Pick<EngineDeps, "store" | "images">,
  names: readonly string[],
  caller: Caller,
): Promise<{ images: ImageSize[]; total: ImageSize }> {
  const asked = findImages(store.images, names, caller);
  const holdings = new Map<string, ImageHoldings>();
  /** How many images have a blob or a snapshot. */
  const owners = new Map<string, number>();
  for (const { target } of store.images.list(caller, [])) {
    caller.signal.throwIfAborted();
    const its = holdings.get(target.digest) ?? (await images.holdings(caller, target));
    holdings.set(target.digest, its);
    for (const id of [...its.blobs.keys(), ...its.snapshots.keys()]) owners.set(id, (owners.get(id) ?? 0) + 1);
  }
  const all = { blobs: new Map<string, number>(), snapshots: new Map<string, number>() };
  const sizes: ImageSize[] = [];
  for (const { name, target } of asked) {
    // One that is named meanwhile takes nothing that was counted.
    const its = holdings.get(target.digest);
    if (its === undefined) continue;
    sizes.push(sizeOf(name, its, owners));
    for (const kind of ["blobs", "snapshots"] as const) for (const [id, size] of its[kind]) all[kind].set(id, size);
  }
  return { images: sizes, total: sizeOf("", all, owners) };
}

function sizeOf(name: string, { blobs, snapshots }: ImageHoldings, owners: ReadonlyMap<string, number>): ImageSize {
  const all = [...blobs, ...snapshots];
  const shared = sum(all.filter(([id]) => (owners.get(id) ?? 0) > 1));
  return { name, blobs: sum(blobs), snapshots: sum(snapshots), shared, own: sum(all) - shared };
}

const sum = (sizes: Iterable<readonly [id: string, size: number]>): number =>
  [...sizes].reduce((total, [, size]) => total + size, 0);
