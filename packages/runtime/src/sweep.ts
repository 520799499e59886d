import { lstatSync } from "node:fs";
import { join } from "node:path";
import { isNotFound, kindOf } from "@berth/base";
import { type Bundle, bundleOf, isOnItsWayOut, namesIn, removeDirectory } from "./bundle.ts";
import type { Context } from "./context.ts";
import { removeDeadSockets } from "./dead-sockets.ts";
import { keepUnseenExit } from "./keep-exit.ts";
import { clearDirectory } from "./unexplained.ts";

/**
 * After a restart, once all bundles are decided: work directories without a task, sockets without a shim, and
 * what an interrupted removal has left.
 */
export async function sweep(context: Context): Promise<void> {
  const { layout } = context;
  for (const top of [layout.state, layout.root])
    for (const namespace of namesIn(top))
      for (const name of namesIn(join(top, namespace), true))
        if (isOnItsWayOut(name)) await removeDirectory(join(top, namespace, name));
        else context.log.warn("a directory that is not known stays in its place", { path: join(top, namespace, name) });
  await removeDeadSockets(context.socketDirectory);
  for (const namespace of namesIn(layout.root))
    for (const id of namesIn(join(layout.root, namespace))) await clearWork(context, bundleOf(layout, namespace, id));
}

/** Looked at and renamed in one step, so that no create comes in between. */
async function clearWork(context: Context, bundle: Bundle): Promise<void> {
  const { namespace, id, path, work } = bundle;
  // A bundle that stays in its place keeps what belongs to it.
  if (context.registry.isTaken(namespace, id) || lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  if (!isContainer(context, bundle)) {
    clearDirectory(context, bundle, "tasks");
    return;
  }
  // Of a task that was there when the machine went down, with all that was in the state directory.
  keepUnseenExit(context, namespace, id);
  await removeDirectory(work);
}

function isContainer({ containers }: Context, { namespace, id }: Bundle): boolean {
  try {
    containers.get({ namespace, lease: "" }, id);
    return true;
  } catch (error) {
    // No name of a container, either.
    if (isNotFound(error) || kindOf(error) === "invalid-argument") return false;
    throw error;
  }
}
