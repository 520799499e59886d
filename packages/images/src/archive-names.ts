// What the images of an archive are called: as it says itself, as a user says, or by the rules of a client.
import { type Descriptor, invalidArgument, type Labels, normalizeReference } from "@berth/base";
import type { NamedTarget } from "./docker-archive.ts";
import type { Naming } from "./naming.ts";

const IMAGE_NAME = "io.containerd.image.name";
const REF_NAME = "org.opencontainers.image.ref.name";

/** Longer than any reference (255 for the repository, 128 for a tag). */
const MAX_NAME = 1_024;

/** An image as an archive has it. */
export type ArchivedImage = NamedTarget;

/** How a client of the transfer service wants the images of an archive kept. */
export interface ImportRules {
  /** The names of an image; none: it gets no record. */
  readonly namesOf: (image: ArchivedImage) => readonly string[];
  /** Names for all images of the archive as one index; none: there is no such record. */
  readonly index: Naming;
  readonly labels: Labels;
  /** Images for other machines are taken as well, and not unpacked. */
  readonly anyPlatform: boolean;
}

/** As containerd's client names images: its own annotation, or OCI's where that is more than a tag. */
export function nameOf({ annotations }: Descriptor): string[] {
  const own = annotations[IMAGE_NAME] ?? "";
  if (own.length > MAX_NAME)
    throw invalidArgument(
      `an image of the archive has a name of ${own.length} characters: at most ${MAX_NAME} are accepted`,
    );
  if (own !== "") return [own];
  const ref = annotations[REF_NAME] ?? "";
  return /[/:]/.test(ref) ? [normalizeReference(ref)] : [];
}

/** What OCI's annotation gives in place of a name: `latest`; "" for none. */
export const tagOf = ({ annotations }: Descriptor): string => {
  const ref = annotations[REF_NAME] ?? "";
  return (annotations[IMAGE_NAME] ?? "") !== "" || /[/:@]/.test(ref) ? "" : ref;
};

/** Gives `name` to the one image that has none. */
export function named(targets: readonly NamedTarget[], name: string): NamedTarget[] {
  if (targets.length === 0) throw invalidArgument("the archive has no image in it");
  const unnamed = targets.filter(({ names }) => names.length === 0);
  if (unnamed.length === 0) return [...targets];
  if (name === "")
    throw invalidArgument(
      `the archive does not say what its image ${unnamed[0]?.target.digest} is called: give it a name`,
    );
  if (unnamed.length > 1)
    throw invalidArgument(
      `the archive has ${unnamed.length} images without a name, and ${JSON.stringify(name)} is one name only`,
    );
  const full = normalizeReference(name);
  return targets.map((image) => ({ ...image, names: image.names.length === 0 ? [full] : image.names }));
}

/** As the rules name them; what they leave without a name was not asked for. */
export const renamed = (targets: readonly NamedTarget[], { namesOf }: ImportRules): NamedTarget[] =>
  targets.map((image) => ({ ...image, names: namesOf(image) })).filter(({ names }) => names.length > 0);
