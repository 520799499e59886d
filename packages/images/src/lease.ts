import { randomBytes } from "node:crypto";
import { isNotFound, TEMPORARY_LEASE } from "@berth/base";
import type { Scope, Store } from "@berth/store";

/** As long as containerd's client gives its own. */
const LIFETIME_MS = 24 * 60 * 60 * 1000;

/**
 * A scope whose lease holds everything that is made in it. The caller's own lease is used where there is one;
 * otherwise a new one, which is deleted at the end, however the work ends: what nothing else refers to by then is
 * garbage.
 */
export async function withLease<T>(
  store: Store,
  scope: Scope,
  what: string,
  work: (leased: Scope) => Promise<T>,
): Promise<T> {
  if (scope.lease !== "") return work(scope);
  const id = `${what}-${Date.now()}-${randomBytes(4).toString("hex")}`;
  const expires = new Date(Date.now() + LIFETIME_MS).toISOString();
  store.leases.create(scope.namespace, { id, labels: { "containerd.io/gc.expire": expires, [TEMPORARY_LEASE]: "1" } });
  try {
    return await work({ ...scope, lease: id });
  } catch (error) {
    release(store, scope.namespace, id);
    // Nothing of a failure is to be left when the caller hears of it.
    await store.collector.collect();
    throw error;
  } finally {
    release(store, scope.namespace, id);
  }
}

function release(store: Store, namespace: string, id: string): void {
  try {
    store.leases.delete(namespace, id);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
