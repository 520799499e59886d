import type { Log } from "@berth/base";
import type { Store } from "@berth/store";
import { checkImage } from "./check-image.ts";
import { exportArchive } from "./export-archive.ts";
import { importArchive } from "./import-archive.ts";
import { withLease } from "./lease.ts";
import { hostPlatform, normalized, type Platform } from "./platform.ts";
import { resolveTarget } from "./resolve.ts";
import type { Differ, Images } from "./types.ts";
import { unpackImage } from "./unpack-image.ts";

export interface ImagesOptions {
  readonly store: Store;
  readonly differ: Differ;
  readonly log: Log;
  /** Default: this machine's. */
  readonly platform?: Platform;
}

/** From references and archives to snapshot chains. */
export function openImages({ store, differ, log, platform = hostPlatform() }: ImagesOptions): Images {
  const parts = { store, differ, log, platform: normalized(platform) };
  return {
    async resolve(scope, name) {
      const image = store.images.get(scope, name);
      return { image, ...(await resolveTarget(store, scope, image.target, parts.platform)) };
    },
    unpack: (scope, image, snapshotter, signal = new AbortController().signal) =>
      withLease(parts, scope, "unpack", (leased) => unpackImage(parts, leased, image, snapshotter, signal)),
    importArchive: (scope, archive, options) =>
      withLease(parts, scope, "import", (leased) => importArchive(parts, leased, archive, options)),
    check: (scope, name, options) =>
      options.repair
        ? withLease(parts, scope, "repair", (leased) => checkImage(parts, leased, name, options))
        : checkImage(parts, scope, name, options),
    exportArchive: (scope, names) => exportArchive(store, scope, names),
  };
}
