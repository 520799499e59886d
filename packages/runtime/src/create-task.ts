// From a container record to a task: a bundle, a shim, and the container in it; or nothing of them.
import { mkdir } from "node:fs/promises";
import { checkId, failedPrecondition, messageOf, unknownError } from "@berth/base";
import { type Bundle, bundleOf, createBundle, ownCheckpoint } from "./bundle.ts";
import { cgroupsPathOf } from "./claim-cgroup.ts";
import type { Context } from "./context.ts";
import { createInShim } from "./create-in-shim.ts";
import { readJournal } from "./journal.ts";
import type { LiveTask } from "./live-task.ts";
import { unlessNoRoom } from "./no-room.ts";
import { obtainShim } from "./obtain-shim.ts";
import { recoverJournal } from "./recover-journal.ts";
import { type Attempt, rollBack } from "./roll-back.ts";
import { checkRootLinks } from "./root-links.ts";
import { withRuncRoot } from "./runc-root.ts";
import { asContainerdSays } from "./shim-error.ts";
import type { CreateTask } from "./types.ts";
import { clearUnexplained } from "./unexplained.ts";

function shimOf({ resolveShim }: Context, runtime: string): string {
  try {
    return resolveShim(runtime);
  } catch (error) {
    throw asContainerdSays(error, "failed to start shim: failed to resolve runtime path");
  }
}

/**
 * Makes a bundle, launches a shim in it and lets that create the container; undoes it all where a step fails, or once the
 * signal is aborted.
 */
export async function createTask(
  context: Context,
  namespace: string,
  options: CreateTask,
  signal: AbortSignal,
): Promise<LiveTask> {
  checkId("namespace", namespace);
  checkId("container", options.id);
  using _name = context.registry.reserve(namespace, options.id);
  const container = context.containers.get({ namespace, lease: "" }, options.id);
  const shim = shimOf(context, options.runtimePath !== "" ? options.runtimePath : container.runtime.name);
  checkRootLinks(container.spec, options.rootfs);
  const cgroup = cgroupsPathOf(container.spec?.value ?? null);
  const attempt: Attempt = {
    bundle: bundleOf(context.layout, namespace, options.id),
    journal: null,
    link: null,
    shimLog: null,
  };
  await makeBundle(context, attempt.bundle, container.spec);
  try {
    // After what a create that was cut short has left is gone.
    if (cgroup !== null) await context.cgroups.claim(cgroup, { namespace, id: options.id }, signal);
    const runtimeOptions = withRuncRoot(shim, container.runtime.options, context.runcRoot);
    const own = options.options;
    // What is given with the task takes the place of the container's, at the shim's start too.
    const taken = own !== null && own.value.length > 0 ? withRuncRoot(shim, own, context.runcRoot) : runtimeOptions;
    const checkpoint = await checkpointIn(attempt.bundle, options.checkpoint);
    const wanted = { ...options, options: taken, checkpoint };
    const shimmed = await obtainShim(context, attempt, shim, wanted, signal);
    return await createInShim(context, attempt, shimmed, wanted, signal);
  } catch (error) {
    attempt.abandoned = signal.aborted;
    await rollBack(context, attempt);
    throw unlessNoRoom(error, attempt.bundle.path);
  }
}

/** Path of the image that the task is restored from; one of its own is in its work directory, and goes with that at last. */
async function checkpointIn(bundle: Bundle, checkpoint: CreateTask["checkpoint"]): Promise<string> {
  if (typeof checkpoint === "string") return checkpoint;
  const path = ownCheckpoint(bundle);
  await mkdir(path, { mode: 0o700 });
  await checkpoint(path);
  return path;
}

/** A bundle that nobody knows of any more is cleared away first. */
async function makeBundle(context: Context, bundle: Bundle, spec: Parameters<typeof createBundle>[1]): Promise<void> {
  try {
    createBundle(bundle, spec);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw bundleError(bundle, error);
    const journal = readJournal(bundle.path) ?? (await recoverJournal(context, bundle));
    if (journal !== null) await rollBack(context, { bundle, journal, link: null, shimLog: null });
    else await refuseUnlessCleared(context, bundle);
    try {
      createBundle(bundle, spec);
    } catch (again) {
      throw bundleError(bundle, again);
    }
  }
}

async function refuseUnlessCleared(context: Context, bundle: Bundle): Promise<void> {
  const stays = await clearUnexplained(context, bundle);
  if (stays === null) return;
  const name = JSON.stringify(bundle.id);
  throw failedPrecondition(`container ${name} cannot have a task: ${bundle.path} is not known, and ${stays}`);
}

function bundleError(bundle: Bundle, cause: unknown): unknown {
  const { path = "" } = cause as NodeJS.ErrnoException;
  const told = unlessNoRoom(cause, path.startsWith(bundle.work) ? bundle.work : bundle.path);
  if (told !== cause) return told;
  return unknownError(`the bundle of container ${JSON.stringify(bundle.id)} cannot be made: ${messageOf(cause)}`, {
    cause,
  });
}
