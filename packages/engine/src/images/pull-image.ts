import { type CredentialsFor, type PartProgress, type PullProgress, parsePlatform } from "@berth/images";
import type { ImageRecord } from "@berth/store";
import { defaultsOf, type EngineDeps } from "../containers/deps.ts";
import type { Caller } from "../types.ts";
import { orPulse, PULSE } from "./pulse.ts";

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
    snapshotter: noUnpack ? "" : wanted.snapshotter || defaultsOf(deps, caller.namespace).snapshotter,
    credentialsFor,
    signal: AbortSignal.any([caller.signal, ended.signal]),
  });
  const told = new Map<string, PartProgress>();
  const news = (): PullProgress => {
    const { parts, ...rest } = pull.progress();
    const changed = parts.filter((part) => told.get(part.digest) !== part);
    for (const part of changed) told.set(part.digest, part);
    return { ...rest, parts: changed };
  };
  try {
    for (;;) {
      const image = await orPulse(pull.image);
      yield { progress: news() };
      if (image === PULSE) continue;
      yield { image };
      return;
    }
  } finally {
    ended.abort();
  }
}
