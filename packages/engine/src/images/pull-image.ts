import { type CredentialsFor, noWishes, type PullProgress, parsePlatform } from "@berth/images";
import type { ImageRecord } from "@berth/store";
import { defaultsOf, type EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";
import { follow } from "./follow.ts";

export interface PullImage {
  /** As a user writes it. */
  readonly reference: string;
  /** OS/ARCH[/VARIANT]; empty for this machine's. The first one is unpacked. */
  readonly platforms: readonly string[];
  readonly allPlatforms: boolean;
  /** Empty for the namespace's default, or the supervisor's. */
  readonly snapshotter: string;
  readonly noUnpack: boolean;
  readonly credentialsFor: CredentialsFor;
}

/** Tells how far it is, the parts that have changed, and in the end the image. It goes on for as long as somebody listens. */
export async function* pullImage(
  deps: EngineDeps,
  wanted: PullImage,
  caller: Caller,
): AsyncGenerator<{ readonly progress: PullProgress } | { readonly image: ImageRecord }> {
  const { reference, platforms, allPlatforms, noUnpack, credentialsFor } = wanted;
  const ended = new AbortController();
  const pull = deps.images.pull(caller, {
    reference,
    platforms: allPlatforms ? "all" : platforms.map((platform) => parsePlatform(platform)),
    unpacks: noUnpack
      ? []
      : [{ snapshotter: wanted.snapshotter || defaultsOf(deps, caller.namespace).snapshotter, platform: null }],
    allMetadata: false,
    manifestLimit: 0,
    naming: null,
    registry: noWishes,
    credentialsFor,
    signal: AbortSignal.any([caller.signal, ended.signal]),
  });
  try {
    for await (const told of follow(pull.progress, pull.image))
      yield "outcome" in told ? { image: told.outcome } : told;
  } finally {
    ended.abort();
  }
}
