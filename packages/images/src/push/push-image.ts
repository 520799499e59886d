// From an image in the store to a reference in a registry: blobs first, then manifests from the bottom up, the tag last.
import { type Descriptor, invalidArgument, type Reference } from "@berth/base";
import type { Scope, Store } from "@berth/store";
import { readBytes } from "../documents.ts";
import type { Platform } from "../platform.ts";
import { createLimit } from "../pull/limit.ts";
import type { Progress } from "../pull/progress.ts";
import type { PushRepository } from "../registry/push-repository.ts";
import { openBlobSource } from "./blob-source.ts";
import { mountSource } from "./mount-source.ts";
import { type PlannedBlob, type PlannedDocument, planPush } from "./push-plan.ts";
import { readTree } from "./push-tree.ts";

export interface PushWork {
  /** Of the image here, for errors. */
  readonly name: string;
  readonly target: Descriptor;
  /** Where it goes. */
  readonly reference: Reference;
  /** Empty for all of the image. */
  readonly platforms: readonly Platform[];
  readonly repository: PushRepository;
  /** Blobs, or manifests, that are sent at once. */
  readonly atOnce: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

interface Sending extends PushWork {
  readonly store: Store;
  readonly scope: Scope;
}

/** The digest that the reference means from then on. */
export async function pushImage(store: Store, scope: Scope, work: PushWork): Promise<string> {
  const { name, target, reference, platforms, repository, progress, signal } = work;
  const plan = planPush(name, await readTree(store, scope, target), platforms);
  const { top } = plan;
  const { digest } = top.descriptor;
  if (reference.digest !== "" && reference.digest !== digest)
    throw invalidArgument(`what is pushed has the digest ${digest}, but the reference says ${reference.digest}`);
  for (const [parent, children] of plan.named) progress.names(parent, children);
  for (const { kind, descriptor } of [...plan.blobs, ...plan.levels.flat(), top]) progress.add(descriptor, kind);
  const under = reference.tag || reference.digest || "latest";
  // Asked first: who may not push hears it before anything is sent.
  const before = await repository.digestOf(under, signal);
  progress.enter("pushing");
  const ended = new AbortController();
  const sending = { ...work, store, scope, signal: AbortSignal.any([signal, ended.signal]) };
  await sendAll(sending, ended, plan.blobs, sendBlob);
  for (const level of plan.levels) await sendAll(sending, ended, level, sendManifest);
  if (before === digest) progress.needless(digest, "there");
  else await put(sending, under, top);
  progress.enter("done");
  return digest;
}

/** Several at once; what fails ends the others, and all of them have ended when it is thrown. */
async function sendAll<T>(
  sending: Sending,
  ended: AbortController,
  all: readonly T[],
  send: (sending: Sending, one: T) => Promise<void>,
): Promise<void> {
  const limited = createLimit(sending.atOnce);
  const sent = all.map((one) => limited(() => send(sending, one)));
  try {
    await Promise.all(sent);
  } catch (error) {
    ended.abort(error);
    await Promise.allSettled(sent);
    throw error;
  }
}

async function sendBlob(sending: Sending, { kind, descriptor }: PlannedBlob): Promise<void> {
  const { store, scope, reference, repository, progress, signal } = sending;
  signal.throwIfAborted();
  const { digest } = descriptor;
  await using source = await openBlobSource(store, scope, descriptor, `${kind} ${digest}`, (count) =>
    progress.moved(digest, count, repository.host),
  );
  try {
    const outcome = await repository.putBlob(source, {
      mountFrom: mountSource(store.content.info(scope, digest).labels, reference),
      onOffset: (offset) => progress.pushing(digest, offset),
      signal,
    });
    if (outcome === "sent") progress.set(digest, "done");
    else progress.needless(digest, outcome);
  } catch (error) {
    // The registry only sees that the bytes end.
    throw source.failure ?? error;
  }
}

async function sendManifest(sending: Sending, document: PlannedDocument): Promise<void> {
  const { repository, progress, signal } = sending;
  signal.throwIfAborted();
  const { digest } = document.descriptor;
  if ((await repository.digestOf(digest, signal)) === digest) progress.needless(digest, "there");
  else await put(sending, digest, document);
}

async function put(sending: Sending, under: string, { kind, descriptor, bytes }: PlannedDocument): Promise<void> {
  const { store, scope, repository, progress, signal } = sending;
  const { digest, mediaType } = descriptor;
  progress.pushing(digest, 0);
  const body = bytes ?? (await readBytes(store, scope, kind, digest));
  await repository.putManifest(under, { mediaType, digest, bytes: body }, signal);
  progress.moved(digest, body.length, repository.host);
  progress.set(digest, "done");
}
