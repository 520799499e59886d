import { unimplemented } from "@berth/base";
import type { Differ, Images } from "@berth/images";

const no = () => {
  throw unimplemented("not there yet");
};
export const openDiffer = (_: unknown): Differ => ({ apply: no, diff: no });
export const openImages = (_: unknown): Images => ({ resolve: no, unpack: no, importArchive: no });
