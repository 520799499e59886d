import { type Log, messageOf, TEMPORARY_LEASE } from "@berth/base";
import type { Store } from "@berth/store";

/**
 * Lets go of what a supervisor that was killed had under way: nobody else can hold such a lease, for a store has
 * one supervisor. What only they held is collected in the background.
 */
export function dropTemporaryLeases(store: Store, log: Log): void {
  let count = 0;
  for (const { name } of store.namespaces.list())
    for (const { id } of store.leases.list(name, [`labels."${TEMPORARY_LEASE}"`])) {
      store.leases.delete(name, id);
      count++;
    }
  if (count === 0) return;
  log.info("leases of an interrupted supervisor are dropped", { count });
  store.collector.collect().catch((err: unknown) => log.error("a collection has failed", { err: messageOf(err) }));
}
