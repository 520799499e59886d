// What a transfer says of the image store: names, labels, platforms, and what is to be unpacked.
import { defaultsOf, type EngineDeps } from "@berth/engine";
import { type ArchivedImage, hostPlatform, type Naming, type Platform, rank, runnable } from "@berth/images";
import type { ImageReference, ImageStore, UnpackConfiguration } from "@berth/proto/containerd/types/transfer";

/** The names that stand there in full; those that are prefixes are for archives. */
export const namingOf = ({ name, labels, extraReferences }: ImageStore): Naming => ({
  names: [
    ...(name === "" ? [] : [{ name, withDigest: false }]),
    ...extraReferences
      .filter(({ isPrefix }) => !isPrefix)
      .map((reference) => ({ name: reference.name, withDigest: reference.addDigest })),
  ],
  labels,
});

/** The names of an image of an archive, by the prefixes alone (containerd's core/transfer/image). */
export const archivedNames = ({ extraReferences }: ImageStore, image: ArchivedImage): string[] => [
  ...new Set(extraReferences.filter(({ isPrefix }) => isPrefix).flatMap((one) => namesByPrefix(one, image))),
];

function namesByPrefix(prefix: ImageReference, { names, tag, target }: ArchivedImage): string[] {
  const full = names.filter((name) => prefix.name !== "" && (prefix.allowOverwrite || isBelow(name, prefix.name)));
  const own = names.length === 0 && tag !== "" && prefix.name !== "" ? [`${prefix.name}:${tag}`] : full;
  const needsDigest = prefix.addDigest && (own.length === 0 || !prefix.skipNamedDigest);
  return needsDigest ? [...own, `${prefix.name}@${target.digest}`] : own;
}

/** `docker.io/library/busybox` is a prefix of its tags and digests, not of `docker.io/library/busybox-extras`. */
const isBelow = (name: string, prefix: string): boolean =>
  name.startsWith(prefix) && ["", "/", ":", "@"].includes(name.charAt(prefix.length));

/** Empty: all of them. */
export const platformsOf = (platforms: readonly Platform[]): readonly Platform[] | "all" =>
  platforms.length === 0 ? "all" : platforms;

/**
 * What is unpacked: what runs here, as with containerd, which leaves out the rest. Throws not-found for a snapshotter
 * that is not there.
 */
export function unpacksOf(
  deps: EngineDeps,
  namespace: string,
  unpacks: readonly UnpackConfiguration[],
): { readonly snapshotter: string; readonly platform: Platform }[] {
  const own = hostPlatform();
  return unpacks
    .map(({ platform, snapshotter }) => ({
      snapshotter: snapshotter || defaultsOf(deps, namespace).snapshotter,
      platform: platform === null || platform.os === "" ? own : platform,
    }))
    .filter(({ platform, snapshotter }) => {
      deps.store.snapshotter(snapshotter);
      return rank(runnable(own), platform) !== null;
    });
}
