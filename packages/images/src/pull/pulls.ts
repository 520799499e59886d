// Pulls under way: of one image that several clients ask for at once there is one.
import { createHash } from "node:crypto";
import { isNotFound, type Log, messageOf, normalizeReference, parseReference } from "@berth/base";
import type { ImageRecord, Scope, Store } from "@berth/store";
import type { CredentialsFor } from "../registry/authorizer.ts";
import type { RepositoryOptions } from "../registry/connections.ts";
import type { RegistryWishes } from "../registry/hosts/settings.ts";
import { openRepository } from "../registry/repository.ts";
import type { EndpointsOf } from "../registry/types.ts";
import type { Differ } from "../types.ts";
import { isFinal } from "./final-failures.ts";
import { Progress, type PullProgress } from "./progress.ts";
import { type PullWork, pullImage } from "./pull-image.ts";
import type { VerifierSettings } from "./verify-image.ts";

export interface PullRequest extends Pick<PullWork, "wanted" | "manifestLimit" | "allMetadata" | "unpacks" | "naming"> {
  /** As a user writes it. */
  readonly reference: string;
  readonly registry: RegistryWishes;
  readonly credentialsFor: CredentialsFor;
  readonly signal: AbortSignal;
}

export interface Pull {
  /** In full. */
  readonly name: string;
  readonly image: Promise<ImageRecord>;
  progress(): PullProgress;
}

export interface PullsOptions extends Omit<RepositoryOptions, "credentialsFor" | "endpointsOf"> {
  readonly endpointsFor: (wishes: RegistryWishes) => EndpointsOf;
  readonly store: Store;
  readonly differ: Differ;
  readonly log: Log;
  /** Programs that decide whether an image may be pulled; null for none. */
  readonly verifier: VerifierSettings | null;
  /** Blobs of one image that are fetched at once. */
  readonly maxConcurrentDownloads: number;
  /** Bytes of the parts in which larger blobs are fetched at once, and held meanwhile; 0: in one piece. */
  readonly layerFetchPart: number;
}

interface Job {
  readonly image: Promise<ImageRecord>;
  readonly progress: Progress;
  readonly ended: AbortController;
  waiting: number;
}

/** After a failure that may pass, what has come is kept for as long. */
const KEPT_MS = 24 * 60 * 60 * 1000;
export function createPulls(options: PullsOptions): { begin(scope: Scope, request: PullRequest): Pull } {
  const jobs = new Map<string, Job>();
  /** Jobs that nobody waits for any more, until they have ended: the lease is the next one's as well. */
  const leaving = new Map<string, Promise<unknown>>();

  function start(scope: Scope, key: string, name: string, request: PullRequest): Job {
    const reference = parseReference(name);
    const progress = new Progress();
    const ended = new AbortController();
    const work = async (): Promise<ImageRecord> => {
      await leaving.get(key);
      const { registry, credentialsFor, ...wanted } = request;
      const { domain, path } = reference;
      const endpointsOf = options.endpointsFor(registry);
      await using repository = openRepository(domain, path, { ...options, endpointsOf, credentialsFor });
      return await withPullLease(options, scope, key, (leased) =>
        pullImage(options, leased, {
          ...wanted,
          name,
          reference,
          repository,
          verifier: options.verifier,
          atOnce: options.maxConcurrentDownloads,
          part: options.layerFetchPart,
          progress,
          signal: ended.signal,
        }),
      );
    };
    return { image: work(), progress, ended, waiting: 0 };
  }

  /** Whoever comes now begins anew, once this one has ended. */
  function leave(key: string, job: Job): void {
    jobs.delete(key);
    const ended = Promise.allSettled([leaving.get(key), job.image]);
    leaving.set(key, ended);
    void ended.then(() => {
      if (leaving.get(key) === ended) leaving.delete(key);
    });
  }

  return {
    begin(scope, request) {
      const name = normalizeReference(request.reference);
      const { reference: _, credentialsFor: __, signal, ...wanted } = request;
      const key = JSON.stringify([scope.namespace, scope.lease, name, wanted]);
      const job = jobs.get(key) ?? start(scope, key, name, request);
      if (!jobs.has(key)) {
        jobs.set(key, job);
        const forget = () => {
          if (jobs.get(key) === job) jobs.delete(key);
        };
        job.image.then(forget, forget);
      }
      job.waiting++;
      return { name, image: waitFor(job, signal, () => leave(key, job)), progress: () => job.progress.snapshot };
    },
  };
}

/** The job goes on for as long as somebody waits for it. */
function waitFor(job: Job, signal: AbortSignal, forget: () => void): Promise<ImageRecord> {
  const { promise: gone, reject } = Promise.withResolvers<never>();
  gone.catch(() => {}); // raced below
  const leave = () => {
    job.waiting--;
    if (job.waiting === 0) {
      forget();
      job.ended.abort(signal.reason);
    } else reject(signal.reason);
  };
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  const image = Promise.race([job.image, gone]);
  image.catch(() => {}).finally(() => signal.removeEventListener("abort", leave));
  return image;
}

/**
 * A lease that holds what has come. It is gone with the image's name, or with a failure that another try would only
 * repeat; after one that may pass it stays for a day, so that a pull goes on where it was.
 */
async function withPullLease<T>(
  { store, log }: { readonly store: Store; readonly log: Log },
  scope: Scope,
  key: string,
  work: (leased: Scope) => Promise<T>,
): Promise<T> {
  if (scope.lease !== "") return await work(scope);
  const { namespace } = scope;
  const id = `pull-${createHash("sha256").update(key).digest("hex").slice(0, 24)}`;
  renew(store, namespace, id);
  try {
    const result = await work({ namespace, lease: id });
    release(store, namespace, id);
    return result;
  } catch (error) {
    if (!isFinal(error) && resourcesOf(store, namespace, id)?.length !== 0) throw error;
    try {
      release(store, namespace, id);
      await store.collector.collect();
    } catch (err) {
      log.error("what a failed pull has left waits for the next collection", { namespace, err: messageOf(err) });
    }
    throw error;
  }
}

/** One of an earlier try is made anew: what it holds is held for as long again. */
function renew(store: Store, namespace: string, id: string): void {
  const expires = new Date(Date.now() + KEPT_MS).toISOString();
  store.transaction(() => {
    const held = resourcesOf(store, namespace, id);
    if (held !== null) store.leases.delete(namespace, id);
    store.leases.create(namespace, { id, labels: { "containerd.io/gc.expire": expires } });
    for (const resource of held ?? []) store.leases.addResource(namespace, id, resource);
  });
}

function resourcesOf(store: Store, namespace: string, id: string) {
  try {
    return store.leases.listResources(namespace, id);
  } catch (error) {
    return exceptNotFound(error);
  }
}

function release(store: Store, namespace: string, id: string): void {
  try {
    store.leases.delete(namespace, id);
  } catch (error) {
    exceptNotFound(error);
  }
}

function exceptNotFound(error: unknown): null {
  if (isNotFound(error)) return null;
  throw error;
}
