import { invalidArgument, normalizeReference, parseReference } from "@berth/base";
import type { ImageRecord, Scope } from "@berth/store";
import type { EngineDeps } from "../containers/deps.ts";
import { findImage } from "./find-image.ts";

export interface TaggedImage {
  /** In full. */
  readonly name: string;
  /** Digest of the other image that the name has meant before; null if there was none. */
  readonly previous: string | null;
}

/** Each costs some microseconds of one transaction. */
const MOST_TARGETS = 100;

/**
 * Gives an image further names in one transaction; a name that is taken is moved to it. Throws not-found for an unknown image
 * and invalid-argument for a target that is no reference to a tag.
 */
export function tagImage(
  { store }: Pick<EngineDeps, "store">,
  { source, targets }: { readonly source: string; readonly targets: readonly string[] },
  scope: Scope,
): TaggedImage[] {
  if (targets.length === 0) throw invalidArgument("the name to give the image is missing");
  if (targets.length > MOST_TARGETS)
    throw invalidArgument(`an image is given ${MOST_TARGETS} names at once at most, not ${targets.length}`);
  const names = [...new Set(targets.map(tagOf))];
  return store.transaction(() => {
    const image = findImage(store.images, source, scope);
    return names.map((name) => nameImage(store.images, image, name, scope));
  });
}

function tagOf(target: string): string {
  if (parseReference(target).digest !== "")
    throw invalidArgument(`${JSON.stringify(target)} has a digest, which no name can change: leave it out`);
  return normalizeReference(target);
}

function nameImage(
  images: EngineDeps["store"]["images"],
  { target, labels }: ImageRecord,
  name: string,
  scope: Scope,
): TaggedImage {
  const before = images.find(scope, name);
  if (before === null) images.create(scope, { name, target, labels });
  else if (before.target.digest !== target.digest) images.update(scope, { name, target, labels }, ["target", "labels"]);
  return { name, previous: before === null || before.target.digest === target.digest ? null : before.target.digest };
}
