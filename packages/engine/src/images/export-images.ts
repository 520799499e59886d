import { invalidArgument } from "@berth/base";
import { type ImageArchive, parsePlatform } from "@berth/images";
import type { Scope } from "@berth/store";
import type { EngineDeps } from "../containers/deps.ts";
import { findImages } from "./find-image.ts";

export interface ExportImages {
  readonly names: readonly string[];
  /** OS/ARCH[/VARIANT]; none: this machine's. */
  readonly platforms: readonly string[];
  readonly allPlatforms: boolean;
}

/** The images in an archive, which is written when it is read. Throws not-found for an unknown one. */
export async function exportImages(
  { store, images }: Pick<EngineDeps, "store" | "images">,
  { names, platforms, allPlatforms }: ExportImages,
  scope: Scope,
): Promise<ImageArchive> {
  if (names.length === 0) throw invalidArgument("the image to save is missing");
  const found = findImages(store.images, names, scope).map(({ name }) => name);
  return await images.exportArchive(scope, found, allPlatforms ? "all" : platforms.map((one) => parsePlatform(one)));
}
