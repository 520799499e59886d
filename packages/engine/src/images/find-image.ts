import { BerthError, familiarName, nearest, normalizeReference, notFound } from "@berth/base";
import type { ImageRecord, ImageStore, Scope } from "@berth/store";

/** Names that an unknown one is compared with, each of which costs some microseconds of the event loop. */
const MOST_COMPARED = 1_000;
const LONGEST_COMPARED = 200;

/** The image by the name that was given, else by the full name that it stands for. null if there is none. */
export function lookUpImage(images: ImageStore, name: string, scope: Scope): ImageRecord | null {
  const full = fullName(name);
  return images.find(scope, name) ?? (full === null ? null : images.find(scope, full));
}

/** The same. Throws not-found, with the name that was probably meant, and invalid-argument for what is no reference either. */
export function findImage(images: ImageStore, name: string, scope: Scope): ImageRecord {
  return lookUpImage(images, name, scope) ?? throwUnknown(images, name, scope);
}

/** Those of these names, each once, or all. Throws not-found. */
export function findImages(images: ImageStore, names: readonly string[], scope: Scope): ImageRecord[] {
  if (names.length === 0) return images.list(scope, []);
  const found = new Map(names.map((name) => findImage(images, name, scope)).map((image) => [image.name, image]));
  return [...found.values()];
}

function throwUnknown(images: ImageStore, name: string, scope: Scope): never {
  const full = normalizeReference(name);
  const given = familiarName(full);
  const known = images
    .list(scope, [])
    .slice(0, MOST_COMPARED)
    .map((image) => familiarName(image.name))
    .filter((one) => one.length <= LONGEST_COMPARED);
  const meant = given.length > LONGEST_COMPARED ? null : nearest(given, known);
  const hint = meant === null ? "" : `: did you mean ${meant}?`;
  throw new BerthError("not-found", `${notFound("image", full).message}${hint}`);
}

/** null for what is no reference: an image may have any name. */
function fullName(name: string): string | null {
  try {
    return normalizeReference(name);
  } catch {
    return null;
  }
}
