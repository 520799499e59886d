// Archives of small images for tests of what the client says of images.
import { type Blobs, type Descriptor, OCI } from "../../scripts/bench/image-archive.ts";
import { makeTar } from "../support/image.ts";

const own = process.arch === "arm64" ? "arm64" : "amd64";
const other = own === "arm64" ? "amd64" : "arm64";

/** This machine's platform, and one that it does not run. */
export const platforms: { readonly own: string; readonly other: string } = {
  own: `linux/${own}`,
  other: `linux/${other}`,
};

export interface TwoPlatforms {
  readonly index: Descriptor;
  readonly own: Descriptor;
  readonly other: Descriptor;
}

/** An index of an image for both platforms; the other's blobs go to `elsewhere`. `mark` tells its blobs from others'. */
export function twoPlatforms(blobs: Blobs, elsewhere: Blobs = blobs, mark = ""): TwoPlatforms {
  const image = (to: Blobs, architecture: string): Descriptor =>
    to.image([makeTar([{ path: "platform", content: architecture + mark }])], { config: { architecture } });
  const [forOwn, forOther] = [image(blobs, own), image(elsewhere, other)];
  const manifests = [
    { ...forOther, platform: { os: "linux", architecture: other } },
    { ...forOwn, platform: { os: "linux", architecture: own } },
  ];
  return { index: blobs.add(OCI.index, { schemaVersion: 2, manifests }), own: forOwn, other: forOther };
}
