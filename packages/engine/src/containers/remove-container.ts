import { failedPrecondition, isNotFound, kindOf, type Log } from "@berth/base";
import type { Task } from "@berth/runtime";
import type { ContainerRecord, Scope, Store } from "@berth/store";
import { filesOf, removeFiles } from "../files/container-files.ts";
import { logPlace, removeLog } from "../logs/log-place.ts";
import type { RemovalDeps } from "./deps.ts";
import { killTask } from "./stop-container.ts";

export interface RemoveContainer {
  readonly id: string;
  /** Kills a running task; without it a running container is refused. */
  readonly force: boolean;
  /** Resolves once it is certain that the removal is finished, whoever ends; what fails after that is logged. */
  readonly finishLater?: boolean;
}

/** Goes on when the caller does not wait for it: half a removal is worth nothing to anybody. */
export async function removeContainer(
  deps: RemovalDeps,
  { id, force, finishLater = false }: RemoveContainer,
  { namespace, lease, log }: Scope & { readonly log: Log },
): Promise<void> {
  const { store, runtime, lives } = deps;
  const scope = { namespace, lease };
  const mayGo = async (abortedMaking: boolean): Promise<boolean> => {
    if (abortedMaking && store.containers.find(scope, id) === null) return false;
    store.containers.get(scope, id);
    const task = await runtime.tasks.find(namespace, id);
    if (!force) await refuseLive(task);
    return true;
  };
  const discard = async (durable: "now" | "later"): Promise<void> => {
    try {
      await discardContainer(deps, scope, id, durable);
    } catch (error) {
      // It is there still, and whoever asks for it hears so.
      store.unfinished.clear(scope, id);
      throw error;
    }
  };
  if (!finishLater)
    return await lives.remove({ namespace, id }, force, async (abortedMaking) => {
      if (await mayGo(abortedMaking)) await discard("now");
    });
  await lives.leave({ namespace, id }, force, async (abortedMaking, certain) => {
    if (!(await mayGo(abortedMaking))) return;
    store.transaction(() => store.unfinished.set(scope, id, "remove"), "frees");
    certain();
    await discard("later").catch((err: unknown) =>
      log.error("a container that was to be removed is there still", { namespace, container: id, err }),
    );
  });
}

async function refuseLive(task: Task | null): Promise<void> {
  if (task === null || task.hasEnded) return;
  const status = await task.state("").then((state) => state.status, exceptNotFound);
  if (status === "running" || status === "paused" || status === "pausing")
    throw failedPrecondition(`container ${JSON.stringify(task.id)} is ${status}: stop it first, or force its removal`);
}

/**
 * The task goes first, then files and log, then record and snapshot in one transaction. That it is being removed is noted
 * before, so that a kill in between leaves it to the next start. Later: that was noted for good, and a power cut may take
 * the rest back.
 */
export async function discardContainer(
  deps: RemovalDeps,
  scope: Scope,
  id: string,
  durable: "now" | "later" = "now",
): Promise<void> {
  const { store, runtime } = deps;
  const { namespace } = scope;
  const record = store.containers.get(scope, id);
  if (runtime.tasks.known(namespace, id) !== null) store.unfinished.set(scope, id, "remove");
  await discardTask(deps, scope, id);
  removeFiles(filesOf(deps.files, namespace, id));
  await removeLog(logPlace(deps.logs, namespace, id));
  await forget(store, scope, record, durable);
}

/** Until there is neither a task nor one that is being made. */
export async function discardTask({ runtime }: RemovalDeps, { namespace }: Scope, id: string): Promise<void> {
  for (;;) {
    const wasMaking = await runtime.tasks.abandon(namespace, id);
    const task = runtime.tasks.known(namespace, id);
    if (task === null && !wasMaking) return;
    if (task === null) continue;
    const status = task.hasEnded ? "stopped" : await task.state("").then((state) => state.status, whereUnknown);
    if (status !== "stopped") await killTask(task, new AbortController().signal);
    await runtime.tasks.delete(namespace, id, { withContainer: true }).catch(exceptNotFound);
  }
}

async function forget(store: Store, scope: Scope, record: ContainerRecord, durable: "now" | "later") {
  const { id, snapshotter, snapshotKey: key } = record;
  const drop = () =>
    store.transaction(
      () => {
        store.containers.delete(scope, id);
        if (key !== "" && store.snapshotter(snapshotter).find(scope, key) !== null)
          store.snapshotter(snapshotter).drop(scope, key);
      },
      "frees",
      durable,
    );
  try {
    drop();
  } catch (error) {
    if (kindOf(error) !== "resource-exhausted" || key === "") throw error;
    // Not even the room that is kept back is there: what the container has written makes some.
    await store.snapshotter(snapshotter).clear(scope, key);
    drop();
  }
}

function exceptNotFound(error: unknown): null {
  if (isNotFound(error)) return null;
  throw error;
}

/** A shim that does not say is killed with what it keeps. */
const whereUnknown = (): "unknown" => "unknown";
