import { setTimeout } from "node:timers/promises";
import { isNotFound, type Log, messageOf } from "@berth/base";
import type { Step } from "@berth/store";
import type { EngineDeps } from "./deps.ts";
import { discardContainer, discardTask } from "./remove-container.ts";

/** Milliseconds that runs under way have for their starts when we are to end, and how often we look. */
const LAST_STARTS = 1_000;
const LOOK = 25;

/** Resolves once nothing is about to be started any more, or after a second. */
export async function untilStarted({ store }: EngineDeps): Promise<void> {
  const deadline = performance.now() + LAST_STARTS;
  while (store.unfinished.list().some(({ step }) => step !== "remove") && performance.now() < deadline)
    await setTimeout(LOOK);
}

type Unfinished = { readonly namespace: string; readonly id: string; readonly step: Step };

/**
 * Brings to an end what a shutdown or a kill has cut short: a removal is finished; a container or a task that was to be
 * started and was not is undone. What is asked of these containers meanwhile waits, and what would show one that is to go.
 * Never rejects.
 */
export async function finishSteps(deps: EngineDeps, log: Log): Promise<void> {
  const steps = deps.store.unfinished.list();
  await Promise.all(
    steps.map(async (one) => {
      try {
        await deps.lives.finish(one, one.step === "remove", () => finish(deps, one, log));
      } catch (err) {
        const { namespace, id } = one;
        log.error("what was begun with a container is left for the next start", {
          namespace,
          container: id,
          err: messageOf(err),
        });
      }
    }),
  );
}

async function finish(deps: EngineDeps, { namespace, id, step }: Unfinished, log: Log): Promise<void> {
  const { store, runtime } = deps;
  const scope = { namespace, lease: "" };
  if (store.unfinished.get(scope, id) !== step) return;
  await runtime.settled(namespace, id);
  if (step !== "remove" && (await wasStarted(deps, namespace, id))) {
    store.unfinished.clear(scope, id);
    return;
  }
  if (step === "start") {
    await discardTask(deps, scope, id);
    store.unfinished.clear(scope, id);
  } else await discardContainer(deps, scope, id);
  log.info(step === "remove" ? "a removal is finished" : "what was not started is undone", {
    namespace,
    container: id,
  });
}

/** Whoever has answered, or not, a start that came to the runtime: the container has run. */
async function wasStarted({ runtime }: EngineDeps, namespace: string, id: string): Promise<boolean> {
  const task = runtime.tasks.known(namespace, id);
  if (task === null) return false;
  if (task.hasEnded) return true;
  try {
    return (await task.state("")).status !== "created";
  } catch (error) {
    if (isNotFound(error)) return false;
    // A shim that does not answer: nothing is taken away from it.
    throw error;
  }
}
