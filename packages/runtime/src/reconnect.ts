// After a restart: what each bundle on disk says is decided one by one, many at a time, and nobody waits for
// a bad one but who asks for that very container.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isNotFound, kindOf, messageOf } from "@berth/base";
import type { ConnectResponse, StateResponse } from "@berth/proto/containerd/task/v2";
import { type Bootstrap, parseBootstrapReply } from "./bootstrap-reply.ts";
import { type Bundle, bundleOf, removeBundle, removeDirectory } from "./bundle.ts";
import { bury, publishExit } from "./bury.ts";
import { addressFile } from "./clean-up.ts";
import type { Context } from "./context.ts";
import { within } from "./deadline.ts";
import { type Journal, readJournal } from "./journal.ts";
import type { Limit } from "./limit.ts";
import { LiveTask } from "./live-task.ts";
import { identify, identityOf, isAlive } from "./process-identity.ts";
import { rollBack } from "./roll-back.ts";
import { type ShimConnection, ShimGone } from "./shim-connection.ts";
import { createShimLink } from "./shim-link.ts";
import { openShimLog } from "./shim-log.ts";
import { toExit } from "./wire.ts";

/** Namespace and id of each bundle in the state directory. */
export function findBundles(context: Pick<Context, "layout">): Bundle[] {
  return namesIn(context.layout.state).flatMap((namespace) =>
    namesIn(join(context.layout.state, namespace)).map((id) => bundleOf(context.layout, namespace, id)),
  );
}

/** Directories in a directory, without those on their way out. */
function namesIn(directory: string, hidden = false): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name.startsWith(".") === hidden)
      .map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** A shim that has not answered after this long does not keep the next one waiting. */
const PATIENCE_MS = 50;
/** Dials of a shim that accepts and drops connections. A process that was killed does so until it is torn down. */
const TRIES = 20;

/**
 * Decides about one bundle: its task is registered, or nothing of it is left. Never rejects.
 */
export async function reconnectBundle(context: Context, bundle: Bundle, limit: Limit): Promise<void> {
  const log = context.log.with({ namespace: bundle.namespace, container: bundle.id });
  try {
    await decide(context, bundle, limit);
  } catch (err) {
    log.error("a bundle was left as it is, for it cannot be understood", { path: bundle.path, err: messageOf(err) });
  }
}

async function decide(context: Context, bundle: Bundle, limit: Limit): Promise<void> {
  const journal = readJournal(bundle.path) ?? foreignJournal(context, bundle);
  if (journal === null) return await removeBundle(bundle);
  // Nothing has outlived the machine, and nobody is dialed to learn it.
  if (journal.bootId !== context.bootId) return await removeBundle(bundle);
  if (journal.phase === "launching" || journal.address === "")
    return await rollBack(context, { bundle, journal, link: null, shimLog: null });
  const found = await lookAt(context, bundle, journal, limit);
  if (found.state === null && isNotFound(found.error)) return await withoutTask(context, bundle, journal, found);
  const task = adopt(context, bundle, journal, found);
  if (found.gone) await bury(context, task, false);
}

interface Found {
  readonly connection: ShimConnection | null;
  readonly connect: ConnectResponse | null;
  readonly state: StateResponse | null;
  readonly error: unknown;
  /** Nobody listens at its address. */
  readonly gone: boolean;
}

async function lookAt(context: Context, bundle: Bundle, journal: Journal, limit: Limit): Promise<Found> {
  const { dial, timeouts } = context;
  const look = async (tries: number): Promise<Found> => {
    let connection: ShimConnection;
    try {
      connection = await dial(bootstrapOf(journal), timeouts.load);
    } catch (error) {
      return { connection: null, connect: null, state: null, error, gone: error instanceof ShimGone };
    }
    const options = { namespace: bundle.namespace, timeoutMs: timeouts.load };
    const pid =
      journal.shimProcess === null ? connection.task.connect({ id: bundle.id }, options).catch(() => null) : null;
    const state = await connection.task.state({ id: bundle.id }, options).catch((error: unknown) => ({ error }));
    const connect = await pid;
    if (!("error" in state)) return { connection, connect, state, error: null, gone: false };
    // It ended, or replaced itself, just now: the next dial tells which.
    if (connection.closed && tries > 1) return await look(tries - 1);
    return { connection: connection.closed ? null : connection, connect, state: null, error: state.error, gone: false };
  };
  let looking: Promise<Found> | undefined;
  // The limit is on those that answer: a stopped shim gives its place back and is waited for outside.
  await limit(async () => {
    looking = look(TRIES);
    await within(looking, PATIENCE_MS, "a shim's answer").catch(() => undefined);
  });
  return await (looking as Promise<Found>);
}

/** Makes the bundle a task again, whatever its shim says, for as long as it says anything. */
function adopt(context: Context, bundle: Bundle, before: Journal, found: Found): LiveTask {
  const { registry, ledger, timeouts, log, background } = context;
  const { state, connect } = found;
  const journal: Journal = {
    ...before,
    shimProcess: before.shimProcess ?? (connect === null ? null : identify(connect.shimPid)),
    init: before.init ?? (state === null ? null : identityOf(state.pid)),
  };
  const taskLog = log.with({ namespace: bundle.namespace, container: bundle.id });
  let task: LiveTask | null = null;
  const link = createShimLink({
    bootstrap: bootstrapOf(journal),
    dial: context.dial,
    dialTimeoutMs: timeouts.load,
    log: taskLog,
    connection: found.connection,
    onGone: () => {
      const lost = task;
      if (lost !== null && registry.find(bundle.namespace, bundle.id) === lost)
        background.run("a shim that has ended could not be cleaned up", () => bury(context, lost, false));
    },
  });
  task = new LiveTask({
    bundle,
    journal,
    link,
    shimLog: openShimLog(join(bundle.path, "log"), taskLog, context.clock),
    timeouts,
    silent: state === null,
    escalate: (stuck) => bury(context, stuck, true),
  });
  // Known to whoever ran before us, and told by them: not to be told again.
  if (journal.exit !== null) ledger.note(bundle.namespace, bundle.id, bundle.id, journal.exit);
  registry.add(task);
  // A shim tells its exits from its connection on, which may be before it is known here.
  const exit = ledger.initExit(bundle.namespace, bundle.id, task.pid);
  if (exit !== null && journal.exit === null)
    task.record({ exit: { pid: exit.pid, status: exit.status, at: exit.at } });
  if (journal !== before) task.record({});
  if (state === null && !found.gone)
    taskLog.warn("a shim does not answer; its container is left alone", { err: messageOf(found.error) });
  if (state !== null && state.status === STOPPED) reportExit(context, task, state);
  return task;
}

/** containerd.v1.types.Status */
const STOPPED = 3;

/** Init ended while nobody listened. A shim that keeps its events tells soon, in order; others never do. */
function reportExit(context: Context, task: LiveTask, state: StateResponse): void {
  context.background.after(context.timeouts.exitGrace, () => {
    if (context.registry.find(task.namespace, task.id) === task) publishExit(context, task, toExit(state));
  });
}

/** The shim lives and has no such task. The journal says whether it can be believed. */
async function withoutTask(context: Context, bundle: Bundle, journal: Journal, found: Found): Promise<void> {
  if (journal.init !== null && isAlive(journal.init)) {
    adopt(context, bundle, journal, found);
    return;
  }
  const link = createShimLink({
    bootstrap: bootstrapOf(journal),
    dial: context.dial,
    dialTimeoutMs: context.timeouts.load,
    log: context.log,
    connection: found.connection,
    onGone() {},
  });
  await rollBack(context, { bundle, journal, link, shimLog: null });
}

const bootstrapOf = (journal: Journal): Bootstrap => ({
  version: journal.api,
  address: journal.address,
  protocol: "ttrpc",
});

/** What containerd leaves in a bundle, as a journal; null where nothing was launched. */
function foreignJournal(context: Context, bundle: Bundle): Journal | null {
  const reply = readText(join(bundle.path, "bootstrap.json")) || addressFile(bundle);
  if (reply === "") return null;
  const bootstrap = parseBootstrapReply(Buffer.from(reply));
  const shim = readText(join(bundle.path, "shim-binary-path")) || shimOfContainer(context, bundle);
  // biome-ignore format: one value a field
  return {
    version: 1, bootId: context.bootId, launchId: "", shim, phase: "created",
    address: bootstrap.address, api: bootstrap.version, shimProcess: null, init: null, exit: null,
  };
}

function shimOfContainer({ containers, resolveShim }: Context, { namespace, id }: Bundle): string {
  try {
    return resolveShim(containers.get({ namespace, lease: "" }, id).runtime.name);
  } catch (error) {
    if (kindOf(error) === "not-found") return "";
    throw error;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

/** Removes work directories without a task, and what an interrupted removal has left. */
export async function sweep(context: Context): Promise<void> {
  const { layout, registry } = context;
  for (const top of [layout.state, layout.root])
    for (const namespace of namesIn(top))
      for (const name of namesIn(join(top, namespace), true)) await removeDirectory(join(top, namespace, name));
  // Looked at and renamed in one step, so that no create comes in between.
  for (const namespace of namesIn(layout.root))
    for (const id of namesIn(join(layout.root, namespace)))
      if (!registry.isTaken(namespace, id)) await removeDirectory(join(layout.root, namespace, id));
}
