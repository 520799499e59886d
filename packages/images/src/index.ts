export { checkBounds } from "./bounded-json.ts";
export { chainIds } from "./chain-id.ts";
export { type DifferOptions, openDiffer } from "./differ.ts";
export { type ImagesOptions, openImages } from "./images.ts";
export { hostPlatform, type Platform } from "./platform.ts";
export { relabelImage } from "./relabel.ts";
export { tryOverlayWith } from "./try-overlay.ts";
export type * from "./types.ts";
