// The names and labels that an image is kept with, where a caller says more than a reference.
import { setImmediate } from "node:timers/promises";
import { BerthError, type Descriptor, isAlreadyExists, type Labels } from "@berth/base";
import type { ImageRecord, Scope, Store } from "@berth/store";
import type { NamedTarget } from "./docker-archive.ts";

/** Each costs some microseconds of the event loop. */
const NAMED_AT_ONCE = 50;

export interface ImageName {
  /** As it is stored. */
  readonly name: string;
  /** `@` and the target's digest are put behind it. */
  readonly withDigest: boolean;
}

export interface Naming {
  /** At least one. */
  readonly names: readonly ImageName[];
  readonly labels: Labels;
}

/** The names for a target. Throws not-found where there is none, as containerd does. */
export function namesFor({ names }: Naming, digest: string): string[] {
  if (names.length === 0) throw new BerthError("not-found", "no image name found: not found");
  return names.map(({ name, withDigest }) => (withDigest ? `${name}@${digest}` : name));
}

/** Makes the records; one that is there gets this target and these labels. */
export function nameAs({ images }: Store, scope: Scope, target: Descriptor, naming: Naming): ImageRecord[] {
  return namesFor(naming, target.digest).map((name) => {
    const record = { name, target, labels: naming.labels };
    try {
      return images.create(scope, record);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return images.update(scope, record, []);
    }
  });
}

/** By the dozen: each transaction is an fsync, and the event loop is everybody's. */
export async function nameImages(
  store: Store,
  scope: Scope,
  targets: readonly NamedTarget[],
  labels: Labels | undefined,
): Promise<ImageRecord[]> {
  const make = ({ name, target }: { readonly name: string; readonly target: Descriptor }): ImageRecord[] =>
    labels === undefined
      ? [nameImage(store, scope, name, target)]
      : nameAs(store, scope, target, { names: [{ name, withDigest: false }], labels });
  const all = targets.flatMap(({ target, names }) => names.map((name) => ({ target, name })));
  const images: ImageRecord[] = [];
  for (let at = 0; at < all.length; at += NAMED_AT_ONCE) {
    if (at > 0) await setImmediate();
    const some = all.slice(at, at + NAMED_AT_ONCE);
    images.push(...store.transaction(() => some.flatMap(make)));
  }
  return images;
}

/** Makes the record, or lets the one that is there mean the target. */
export function nameImage({ images }: Store, scope: Scope, name: string, target: Descriptor): ImageRecord {
  const record = { name, target, labels: {} };
  try {
    return images.create(scope, record);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return images.update(scope, record, ["target"]);
  }
}
