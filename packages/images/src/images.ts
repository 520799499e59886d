import type { Log } from "@berth/base";
import type { Store } from "@berth/store";
import { checkImage } from "./check-image.ts";
import { exportArchive } from "./export-archive.ts";
import type { PlatformChoice } from "./export-plan.ts";
import { imageHistory } from "./history.ts";
import { holdingsOf } from "./image-size.ts";
import { importArchive } from "./import-archive.ts";
import { withLease } from "./lease.ts";
import { nameAs } from "./naming.ts";
import { hostPlatform, normalized, type Platform, runnable } from "./platform.ts";
import { createPulls, type PullRequest, type PullsOptions } from "./pull/pulls.ts";
import { beginPush, type PushesOptions } from "./push/begin-push.ts";
import { explainReference, type RegistryDeps } from "./registry/explain.ts";
import type { RegistryWishes } from "./registry/hosts/settings.ts";
import { checkCredentials } from "./registry/login.ts";
import { resolveTarget } from "./resolve.ts";
import type { Differ, ImagePull, Images } from "./types.ts";
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
  const endpointsFor = (wishes: RegistryWishes) => async (name: string) =>
    (await registry.explain(name, wishes)).endpoints;
  const pulls = createPulls({ ...parts, ...registry, endpointsFor });
  return {
    async resolve(scope, name) {
      const image = store.images.get(scope, name);
      return { image, ...(await resolveTarget(store, scope, image.target, parts.platform)) };
    },
    unpack: (scope, image, snapshotter, signal = new AbortController().signal) =>
      withLease(parts, scope, "unpack", (leased) => unpackImage(parts, leased, image, snapshotter, signal)),
    pull: (scope, request) => pulls.begin(scope, pullRequest(request, parts.platform)),
    push: (scope, { registry: wishes, platforms, ...request }) =>
      beginPush(
        parts,
        scope,
        { ...request, platforms: platforms.map(normalized) },
        { ...registry, endpointsOf: endpointsFor(wishes) },
      ),
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
    nameAs: (scope, target, naming) => store.transaction(() => nameAs(store, scope, target, naming)),
    exportArchive: (scope, names, platforms, options) =>
      exportArchive(store, scope, names, choiceOf(platforms, parts.platform), options),
  };
}

function pullRequest({ platforms, unpacks, ...request }: ImagePull, own: Platform): PullRequest {
  const named = platforms === "all" ? [] : platforms.map(normalized);
  const [first = own] = named;
  return {
    ...request,
    wanted: platforms === "all" ? "all" : named.length === 0 ? [own] : named,
    unpacks: unpacks.map(({ snapshotter, platform }) => ({ snapshotter, platform: normalized(platform ?? first) })),
  };
}

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
