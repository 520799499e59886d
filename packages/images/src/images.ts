import type { Log } from "@berth/base";
import type { Store } from "@berth/store";
import { checkImage } from "./check-image.ts";
import { exportArchive } from "./export-archive.ts";
import type { PlatformChoice } from "./export-plan.ts";
import { imageHistory } from "./history.ts";
import { holdingsOf } from "./image-size.ts";
import { importArchive } from "./import-archive.ts";
import { withLease } from "./lease.ts";
import { hostPlatform, normalized, type Platform, runnable } from "./platform.ts";
import { createPulls, type PullsOptions } from "./pull/pulls.ts";
import { beginPush, type PushesOptions } from "./push/begin-push.ts";
import { explainReference, type RegistryDeps } from "./registry/explain.ts";
import { checkCredentials } from "./registry/login.ts";
import { resolveTarget } from "./resolve.ts";
import type { Differ, Images } from "./types.ts";
import { unpackImage } from "./unpack-image.ts";
import { walkTarget } from "./walk-target.ts";

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
  extends RegistryDeps,
    Pick<PullsOptions, "maxConcurrentDownloads" | "layerFetchPart" | "verifier">,
    Pick<PushesOptions, "maxConcurrentUploads"> {}

/** From references and archives to snapshot chains. */
export function openImages({ store, differ, log, registries, platform = hostPlatform() }: ImagesOptions): Images {
  const parts = { store, differ, log, platform: normalized(platform) };
  const registry = registries ?? noRegistries;
  const endpointsOf = async (name: string) => (await registry.explain(name)).endpoints;
  const pulls = createPulls({ ...parts, ...registry, endpointsOf });
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
    push: (scope, request) => beginPush(parts, scope, request, { ...registry, endpointsOf }),
    explain: (reference, check) => explainReference(registry, reference, check),
    checkCredentials: (name, credentials, signal) => checkCredentials(registry, name, credentials, signal),
    importArchive: (scope, archive, options) =>
      withLease(parts, scope, "import", (leased) => importArchive(parts, leased, archive, options)),
    check: (scope, name, options) =>
      options.repair
        ? withLease(parts, scope, "repair", (leased) => checkImage(parts, leased, name, options))
        : checkImage(parts, scope, name, options),
    history: (scope, target, other) => imageHistory(store, scope, target, normalized(other ?? parts.platform)),
    parts: (scope, target) => walkTarget(store, scope, target),
    holdings: (scope, target) => holdingsOf(store, scope, target),
    exportArchive: (scope, names, platforms) => exportArchive(store, scope, names, choiceOf(platforms, parts.platform)),
  };
}

/** This machine's, unless others were asked for. */
const unpacked = (platforms: readonly Platform[] | "all", own: Platform): Platform =>
  platforms === "all" || platforms.length === 0 ? own : normalized(platforms[0] ?? own);

const noRegistries: RegistryOptions = {
  explain: async () => ({ endpoints: [], warnings: [] }),
  userAgent: "",
  maxConcurrentDownloads: 1,
  layerFetchPart: 0,
  verifier: null,
  maxConcurrentUploads: 1,
};

function choiceOf(platforms: readonly Platform[] | "all", own: Platform): PlatformChoice {
  if (platforms === "all") return { mode: "all", platforms: runnable(own) };
  if (platforms.length === 0) return { mode: "best", platforms: runnable(own) };
  return { mode: "each", platforms: platforms.map(normalized) };
}
