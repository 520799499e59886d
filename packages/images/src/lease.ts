import { randomBytes } from "node:crypto";
import { isNotFound, type Log, messageOf, TEMPORARY_LEASE } from "@berth/base";
import type { Scope, Store } from "@berth/store";

/** As long as containerd's client gives its own. */
const LIFETIME_MS = 24 * 60 * 60 * 1000;

/**
 * A scope whose lease holds everything that is made in it. The caller's own lease is used where there is one;
 * otherwise a new one, which is deleted at the end, however the work ends: what nothing else refers to by then is
 * garbage.
 */
export async function withLease<T>(
  { store, log }: { store: Store; log: Log },
  scope: Scope,
  what: string,
  work: (leased: Scope) => Promise<T>,
): Promise<T> {
  if (scope.lease !== "") return work(scope);
  const id = `${what}-${Date.now()}-${randomBytes(4).toString("hex")}`;
  const expires = new Date(Date.now() + LIFETIME_MS).toISOString();
  store.leases.create(scope.namespace, { id, labels: { "containerd.io/gc.expire": expires, [TEMPORARY_LEASE]: "1" } });
  let result: T;
  try {
    result = await work({ ...scope, lease: id });
  } catch (error) {
    await undo({ store, log }, scope.namespace, id);
    throw error;
  }
  release(store, scope.namespace, id);
  return result;
}

/** Nothing of a failure is to be left when the caller hears of it; the failure itself is what they hear of. */
async function undo({ store, log }: { store: Store; log: Log }, namespace: string, id: string): Promise<void> {
  try {
    release(store, namespace, id);
    await store.collector.collect();
  } catch (err) {
    log.error("what a failure has left waits for the next collection", { namespace, err: messageOf(err) });
  }
}

function release(store: Store, namespace: string, id: string): void {
  try {
    store.leases.delete(namespace, id);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
