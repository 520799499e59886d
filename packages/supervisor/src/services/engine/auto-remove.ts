// Containers that are removed when they have ended (`berth run -d --rm`). The wish is a label of the record, so that a
// berthd that was away at the end finds it when it comes back.
import { isNotFound, type Log } from "@berth/base";
import { topics, unpackAny } from "@berth/proto";
import { TaskExit } from "@berth/proto/containerd/events";
import type { Call } from "@berth/rpc";
import type { RemovalNeeds } from "./needs.ts";
import { removeContainer } from "./remove-container.ts";

export const autoRemoveLabel = "berth.auto-remove";
const labelled = `labels."${autoRemoveLabel}"==true`;

/** A client that has made the container and not yet its task has given up by then: it waits half as long for berthd. */
const ABANDONED_MS = 60_000;

export interface AutoRemoval extends AsyncDisposable {
  /** Looks at all containers once: after a start, when the tasks are known. */
  sweep(): void;
}

/** Listens for exits from now on. Disposing waits for the removals that are under way. */
export function removeWhenEnded(needs: RemovalNeeds, log: Log): AutoRemoval {
  const { store, runtime } = needs;
  const stop = new AbortController();
  const removing = new Set<Promise<void>>();
  const timers = new Set<NodeJS.Timeout>();

  const remove = async (namespace: string, id: string): Promise<void> => {
    const method = "auto-remove";
    const call: Call = {
      method,
      namespace,
      lease: "",
      metadata: {},
      signal: stop.signal,
      log: log.with({ namespace }),
    };
    try {
      if (store.containers.get(call, id).labels[autoRemoveLabel] !== "true") return;
      await removeContainer(needs, { id, force: true }, call);
    } catch (err) {
      if (!isNotFound(err) && !stop.signal.aborted)
        log.error("a container that has ended could not be removed", { namespace, container: id, err });
    }
  };
  const begin = (namespace: string, id: string): void => {
    const removal = remove(namespace, id).finally(() => removing.delete(removal));
    removing.add(removal);
  };
  const listen = async (): Promise<void> => {
    for await (const { namespace, event } of runtime.events.subscribe([`topic=="${topics.taskExit}"`], stop.signal)) {
      const exit = unpackAny(TaskExit, event);
      if (exit !== null && exit.id === exit.containerId) begin(namespace, exit.containerId);
    }
  };
  const listening = listen().catch((err: unknown) => {
    if (!stop.signal.aborted) log.error("ends of containers are not seen any more", { err });
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
      stop.abort();
      await listening;
      await Promise.all(removing);
    },
  };
}
