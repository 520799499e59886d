// Pushes of images by the names that users write.
import { normalizeReference } from "@berth/base";
import { type CredentialsFor, noWishes, type PullProgress, parsePlatform } from "@berth/images";
import type { EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";
import { findImage } from "./find-image.ts";
import { follow } from "./follow.ts";

export interface PushImage {
  /** Its name here, as a user writes it. */
  readonly image: string;
  /** Where it goes, as a user writes it; empty for its own name. */
  readonly reference: string;
  /** OS/ARCH[/VARIANT]; empty for all of it. */
  readonly platforms: readonly string[];
  readonly credentialsFor: CredentialsFor;
}

/** A reference in full, and the digest that it means there. */
export interface PushedImage {
  readonly name: string;
  readonly digest: string;
}

/** Tells how far it is, the parts that have changed, and in the end what was pushed. It ends when nobody listens. */
export async function* pushImage(
  { store, images }: Pick<EngineDeps, "store" | "images">,
  wanted: PushImage,
  caller: Caller,
): AsyncGenerator<{ readonly progress: PullProgress } | { readonly image: PushedImage }> {
  const { name, target } = findImage(store.images, wanted.image, caller);
  const reference = normalizeReference(wanted.reference || name);
  const ended = new AbortController();
  const push = images.push(caller, {
    name,
    target,
    reference,
    platforms: wanted.platforms.map((platform) => parsePlatform(platform)),
    registry: noWishes,
    credentialsFor: wanted.credentialsFor,
    signal: AbortSignal.any([caller.signal, ended.signal]),
  });
  try {
    for await (const told of follow(push.progress, push.digest))
      yield "outcome" in told ? { image: { name: reference, digest: told.outcome } } : told;
  } finally {
    ended.abort();
  }
}
