import type { Log } from "@berth/base";
import type { Store } from "@berth/store";
import { checkImage } from "./check-image.ts";
import { exportArchive } from "./export-archive.ts";
import { importArchive } from "./import-archive.ts";
import { withLease } from "./lease.ts";
import { hostPlatform, normalized, type Platform } from "./platform.ts";
import { createPulls, type PullsOptions } from "./pull/pulls.ts";
import { resolveTarget } from "./resolve.ts";
import type { Differ, Images } from "./types.ts";
import { unpackImage } from "./unpack-image.ts";

export interface ImagesOptions {
  readonly store: Store;
  readonly differ: Differ;
  readonly log: Log;
  /** Default: this machine's. */
  readonly platform?: Platform;
  /** Default: nothing can be pulled. */
  readonly registries?: RegistryOptions;
}

export interface RegistryOptions
  extends Pick<PullsOptions, "endpointsOf" | "failOver" | "stallTimeoutMs" | "userAgent" | "maxConcurrentDownloads"> {}

/** From references and archives to snapshot chains. */
export function openImages({ store, differ, log, registries, platform = hostPlatform() }: ImagesOptions): Images {
  const parts = { store, differ, log, platform: normalized(platform) };
  const pulls = createPulls({ ...parts, ...(registries ?? noRegistries) });
  return {
    async resolve(scope, name) {
      const image = store.images.get(scope, name);
      return { image, ...(await resolveTarget(store, scope, image.target, parts.platform)) };
    },
    unpack: (scope, image, snapshotter, signal = new AbortController().signal) =>
      withLease(parts, scope, "unpack", (leased) => unpackImage(parts, leased, image, snapshotter, signal)),
    pull: (scope, { reference, platforms, snapshotter, credentialsFor, signal }) =>
      pulls.begin(scope, {
        reference,
        wanted: platforms === "all" ? "all" : platforms.length === 0 ? [parts.platform] : platforms.map(normalized),
        unpack: snapshotter === "" ? null : { snapshotter, platform: unpacked(platforms, parts.platform) },
        credentialsFor,
        signal,
      }),
    importArchive: (scope, archive, options) =>
      withLease(parts, scope, "import", (leased) => importArchive(parts, leased, archive, options)),
    check: (scope, name, options) =>
      options.repair
        ? withLease(parts, scope, "repair", (leased) => checkImage(parts, leased, name, options))
        : checkImage(parts, scope, name, options),
    exportArchive: (scope, names) => exportArchive(store, scope, names),
  };
}

/** This machine's, unless others were asked for. */
const unpacked = (platforms: readonly Platform[] | "all", own: Platform): Platform =>
  platforms === "all" || platforms.length === 0 ? own : normalized(platforms[0] ?? own);

const noRegistries: RegistryOptions = {
  endpointsOf: async () => [],
  userAgent: "",
  maxConcurrentDownloads: 1,
};
