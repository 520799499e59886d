// After a restart: what each bundle on disk says is decided one by one, many at a time, and nobody waits for
// a bad one but who asks for that very container.
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { isNotFound, messageOf } from "@berth/base";
import { identify, identityOf, isAlive } from "@berth/helper";
import { type Bundle, bundleOf, namesIn, removeBundle } from "./bundle.ts";
import { bury } from "./bury.ts";
import { cgroupsPathIn } from "./claim-cgroup.ts";
import type { Context } from "./context.ts";
import { publishExit } from "./depart.ts";
import { enterTask, linkShim } from "./enter-task.ts";
import { type Journal, readJournal } from "./journal.ts";
import { keepExit, keepUnseenExit } from "./keep-exit.ts";
import type { Limit } from "./limit.ts";
import type { LiveTask } from "./live-task.ts";
import { livingInit } from "./living-init.ts";
import { bootstrapOf, type Found, reach } from "./reach-shim.ts";
import { recoverJournal } from "./recover-journal.ts";
import { rollBack } from "./roll-back.ts";
import { openShimLog } from "./shim-log.ts";
import type { TaskLife } from "./task-life.ts";
import type { Exit } from "./types.ts";
import { clearUnexplained } from "./unexplained.ts";
import { toExit } from "./wire.ts";

/** Namespace and id of each bundle in the state directory. */
export function findBundles(context: Pick<Context, "layout">): Bundle[] {
  return namesIn(context.layout.state).flatMap((namespace) =>
    namesIn(join(context.layout.state, namespace)).map((id) => bundleOf(context.layout, namespace, id)),
  );
}

/** How long after a failure a bundle is looked at again; twice as long each time. */
const FIRST_PAUSE_MS = 250;
const LAST_PAUSE_MS = 30_000;

/**
 * Decides about one bundle: its task is registered, or nothing of it is left. Tries until it can be told, or the runtime
 * closes: a container is not taken for one without a task because its files cannot be read just now. Never rejects.
 */
export async function reconnectBundle(context: Context, bundle: Bundle, limit: Limit): Promise<void> {
  const log = context.log.with({ namespace: bundle.namespace, container: bundle.id });
  for (let ms = FIRST_PAUSE_MS; !context.stopping.aborted; ms = Math.min(2 * ms, LAST_PAUSE_MS)) {
    try {
      return await decide(context, bundle, limit);
    } catch (err) {
      log.error("what a bundle holds cannot be told yet", { path: bundle.path, err: messageOf(err), ms });
      await pause(ms, undefined, { signal: context.stopping }).catch(() => undefined);
    }
  }
}

async function decide(context: Context, bundle: Bundle, limit: Limit): Promise<void> {
  const journal = readJournal(bundle.path) ?? (await recoverJournal(context, bundle));
  if (journal === null) return await clearOrTell(context, bundle);
  // Nothing has outlived the machine, and nobody is dialed to learn it.
  if (journal.bootId !== context.bootId) {
    keepLast(context, bundle, journal);
    return await removeBundle(context.helper, bundle);
  }
  if (journal.phase === "launching") return await rollBack(context, { bundle, journal, link: null, shimLog: null });
  const found = await reach(context, bundle, journal, limit);
  const isOver = found.gone || (found.state === null && isNotFound(found.error));
  // Whose it was nothing says: no journal, no record, no shim.
  if (isOver && journal.shim === "") return await clearOrTell(context, bundle);
  if (isOver && !found.gone) return await withoutTask(context, bundle, found);
  const task = adopt(context, bundle, found);
  if (found.gone) await bury(context, task, false);
}

async function clearOrTell(context: Context, bundle: Bundle): Promise<void> {
  const stays = await clearUnexplained(context, bundle);
  if (stays === null) return;
  const { namespace, id: container, path } = bundle;
  context.log.warn(`a bundle that is not known stays in its place: ${stays}`, { namespace, container, path });
}

/** How the task has ended that a journal is of, as far as it is known. */
function keepLast(context: Context, { namespace, id }: Bundle, { phase, exit, outOfMemory }: Journal): void {
  if (exit !== null) keepExit(context, { namespace, id, ranOutOfMemory: outOfMemory }, exit);
  else if (phase === "created") keepUnseenExit(context, namespace, id);
}

/** Makes the bundle a task again, whatever its shim says, for as long as it says anything. */
function adopt(context: Context, bundle: Bundle, found: Found): LiveTask {
  const { ledger } = context;
  const { state, connect, connection, journal: before } = found;
  const journal: Journal = {
    ...before,
    shimProcess: before.shimProcess ?? (connect === null ? null : identify(connect.shimPid)),
    init: before.init ?? (state === null ? null : identityOf(state.pid)),
  };
  const linked = linkShim(context, bundle, bootstrapOf(journal), connection);
  // Known to an earlier supervisor, and told by it: not to be told again.
  if (journal.exit !== null) ledger.note(bundle.namespace, bundle.id, bundle.id, journal.exit);
  const task = enterTask(context, linked, {
    journal,
    shimLog: openShimLog(join(bundle.path, "log"), linked.log, context.clock),
    silent: state === null,
    life: lifeOf(journal, state),
  });
  const cgroup = cgroupsPathIn(bundle.path);
  if (cgroup !== null) context.cgroups.note(cgroup, bundle);
  task.record({});
  if (!found.gone) task.attendance.resume();
  if (state === null && !found.gone)
    linked.log.warn("a shim does not answer; its container is left alone", { err: messageOf(found.error) });
  if (task.life.at === "ended") reportExit(context, task, task.life.exit);
  return task;
}

/** Nobody listened while we were away: what its shim says of its end may be untold. */
function lifeOf({ exit }: Journal, state: Found["state"]): TaskLife {
  if (exit !== null) return { at: "told", exit };
  return state !== null && state.status === STOPPED ? { at: "ended", exit: toExit(state) } : { at: "alive" };
}

/** containerd.v1.types.Status */
const STOPPED = 3;

/** Init ended while nobody listened. A shim that keeps its events tells soon, in order; others never do. */
function reportExit(context: Context, task: LiveTask, exit: Exit): void {
  context.background.after(context.timeouts.exitGrace, () => {
    if (task.life.at === "ended") publishExit(context, task, exit);
  });
}

/** The shim lives and has no such task. The journal says whether it can be believed. */
async function withoutTask(context: Context, bundle: Bundle, found: Found): Promise<void> {
  const { journal } = found;
  const init = journal.init ?? livingInit(context.runcRoot, bundle);
  if (init !== null && isAlive(init)) {
    adopt(context, bundle, found);
    return;
  }
  keepLast(context, bundle, journal);
  const { link } = linkShim(context, bundle, bootstrapOf(journal), found.connection);
  await rollBack(context, { bundle, journal, link, shimLog: null });
}
