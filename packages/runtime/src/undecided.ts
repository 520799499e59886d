// Containers found on disk after a restart, until it is known whether they have a task.
import type { Bundle } from "./bundle.ts";

export interface Undecided {
  /** Ids of the namespace's containers of which nothing is known yet. */
  ids(namespace: string): string[];
  has(namespace: string, id: string): boolean;
  /** Resolves once this container is decided about; at once for one that was never in doubt. */
  settled(namespace: string, id: string): Promise<void>;
  /** The same for every container of the namespace. */
  allSettled(namespace: string): Promise<void>;
  decide(bundle: Bundle): void;
}

export function undecidedAbout(bundles: readonly Bundle[]): Undecided {
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  const keyOf = ({ namespace, id }: Pick<Bundle, "namespace" | "id">) => `${namespace}/${id}`;
  for (const bundle of bundles) waiting.set(keyOf(bundle), Promise.withResolvers<void>());
  const ids = (namespace: string) =>
    bundles.filter((bundle) => bundle.namespace === namespace && waiting.has(keyOf(bundle))).map(({ id }) => id);
  const settled = async (namespace: string, id: string) => await waiting.get(keyOf({ namespace, id }))?.promise;
  return {
    ids,
    has: (namespace, id) => waiting.has(keyOf({ namespace, id })),
    settled,
    async allSettled(namespace) {
      await Promise.all(ids(namespace).map((id) => settled(namespace, id)));
    },
    decide(bundle) {
      const key = keyOf(bundle);
      waiting.get(key)?.resolve();
      waiting.delete(key);
    },
  };
}
