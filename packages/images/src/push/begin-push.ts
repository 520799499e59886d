// A push with what it holds while it goes on: its connections, and a lease.
import { parseReference } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { withLease } from "../lease.ts";
import { Progress, type PullProgress } from "../pull/progress.ts";
import type { CredentialsFor } from "../registry/authorizer.ts";
import { openPushRepository, type PushOptions } from "../registry/push-repository.ts";
import { type PushWork, pushImage } from "./push-image.ts";

export interface PushRequest extends Pick<PushWork, "name" | "target" | "platforms" | "signal"> {
  /** Where it goes, in full. */
  readonly reference: string;
  readonly credentialsFor: CredentialsFor;
}

export interface PushesOptions extends Omit<PushOptions, "credentialsFor"> {
  /** Blobs of one image that are sent at once. */
  readonly maxConcurrentUploads: number;
}

export interface Push {
  /** The digest that the reference means in the end. */
  readonly digest: Promise<string>;
  progress(): PullProgress;
}

/** Throws invalid-argument for what is no reference. A lease keeps the image's content until the push has ended. */
export function beginPush(
  parts: Parameters<typeof withLease>[0],
  scope: Scope,
  { reference: full, credentialsFor, ...wanted }: PushRequest,
  { maxConcurrentUploads: atOnce, ...options }: PushesOptions,
): Push {
  const { store } = parts;
  const reference = parseReference(full);
  const progress = new Progress();
  const push = async (leased: Scope): Promise<string> => {
    hold(store, leased, wanted.target.digest);
    const { domain, path } = reference;
    await using repository = openPushRepository(domain, path, { ...options, credentialsFor });
    return await pushImage(store, leased, { ...wanted, reference, repository, atOnce, progress });
  };
  // The caller's own lease is to hold no more afterwards than before.
  const digest = withLease(parts, { ...scope, lease: "" }, "push", push);
  return { digest, progress: () => progress.snapshot };
}

/** What it refers to is kept with it. */
const hold = ({ leases }: Store, { namespace, lease }: Scope, id: string): void =>
  leases.addResource(namespace, lease, { type: "content", id });
