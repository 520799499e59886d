import { type HistoryStep, parsePlatform } from "@berth/images";
import type { Scope } from "@berth/store";
import type { EngineDeps } from "../containers/deps.ts";
import { findImage } from "./find-image.ts";

/** The newest step first. `platform` is OS/ARCH[/VARIANT]; empty for this machine's. */
export async function imageHistory(
  { store, images }: Pick<EngineDeps, "store" | "images">,
  { name, platform }: { readonly name: string; readonly platform: string },
  scope: Scope,
): Promise<HistoryStep[]> {
  const { target } = findImage(store.images, name, scope);
  return await images.history(scope, target, platform === "" ? null : parsePlatform(platform));
}
