// Containers that are removed when they have ended (`berth run -d --rm`). The wish is a label of the record, so that a
// berthd that was away at the end finds it when it comes back.
import { isNotFound, type Log } from "@berth/base";
import type { RemovalDeps } from "./deps.ts";
import { autoRemoveLabel } from "./labels.ts";
import { removeContainer } from "./remove-container.ts";

const labelled = `labels."${autoRemoveLabel}"==true`;

/** A client that has made the container and not yet its task has given up by then: it waits half as long for berthd. */
const ABANDONED_MS = 60_000;

export interface AutoRemoval extends AsyncDisposable {
  /** Looks at all containers once: after a start, when the tasks are known. */
  sweep(): void;
}

/** Listens for exits from now on. Disposing waits for the removals that are under way. */
export function removeWhenEnded(deps: RemovalDeps, log: Log): AutoRemoval {
  const { store, runtime } = deps;
  let isStopped = false;
  const removing = new Set<Promise<void>>();
  const timers = new Set<NodeJS.Timeout>();

  const remove = async (namespace: string, id: string): Promise<void> => {
    const scope = { namespace, lease: "" };
    try {
      if (store.containers.find(scope, id)?.labels[autoRemoveLabel] !== "true") return;
      await removeContainer(deps, { id, force: true }, { ...scope, log });
    } catch (err) {
      if (!isNotFound(err) && !isStopped)
        log.error("a container that has ended could not be removed", { namespace, container: id, err });
    }
  };
  const begin = (namespace: string, id: string): void => {
    const removal = remove(namespace, id).finally(() => removing.delete(removal));
    removing.add(removal);
  };
  const listening = runtime.onExit(({ namespace, id, execId }) => {
    if (execId === "") begin(namespace, id);
  });

  return {
    sweep() {
      for (const { name: namespace } of store.namespaces.list())
        for (const { id } of store.containers.list({ namespace, lease: "" }, [labelled])) {
          const task = runtime.tasks.known(namespace, id);
          const hasEnded = task === null ? store.exits.get({ namespace, lease: "" }, id) !== null : task.hasEnded;
          if (hasEnded) begin(namespace, id);
          else if (task === null) {
            const timer = setTimeout(() => {
              timers.delete(timer);
              if (runtime.tasks.known(namespace, id) === null) begin(namespace, id);
            }, ABANDONED_MS).unref();
            timers.add(timer);
          }
        }
    },
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      isStopped = true;
      listening[Symbol.dispose]();
      await Promise.all(removing);
    },
  };
}
