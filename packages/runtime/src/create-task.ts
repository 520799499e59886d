import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { checkId, failedPrecondition, kindOf, messageOf, unknownError } from "@berth/base";
import { attendanceOf } from "./attendance.ts";
import { type Bootstrap, formatBootstrap } from "./bootstrap-reply.ts";
import { type Bundle, bundleOf, createBundle, ownCheckpoint } from "./bundle.ts";
import { bury } from "./bury.ts";
import { cgroupsPathOf } from "./claim-cgroup.ts";
import type { Context } from "./context.ts";
import { unlessAborted } from "./deadline.ts";
import { deleteTask } from "./delete-task.ts";
import { type Journal, readJournal, writeJournal } from "./journal.ts";
import { forgetExit } from "./keep-exit.ts";
import { LiveTask } from "./live-task.ts";
import { unlessNoRoom } from "./no-room.ts";
import { identify, identityOf, type ProcessIdentity } from "./process-identity.ts";
import { recordHeard } from "./record-heard.ts";
import { recoverJournal } from "./recover-journal.ts";
import { type Attempt, rollBack } from "./roll-back.ts";
import { checkRootLinks } from "./root-links.ts";
import { withRuncRoot } from "./runc-root.ts";
import { asContainerdSays } from "./shim-error.ts";
import { createShimLink, type ShimLink } from "./shim-link.ts";
import { openShimLog, type ShimLog } from "./shim-log.ts";
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
    return await launch(context, attempt, shim, { ...options, options: taken, checkpoint }, signal);
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

/** Its checkpoint is laid out. */
type Restoring = CreateTask & { readonly checkpoint: string };

async function launch(
  context: Context,
  attempt: Attempt,
  shim: string,
  options: Restoring,
  signal: AbortSignal,
): Promise<LiveTask> {
  const { bundle } = attempt;
  const { timeouts, ledger, registry } = context;
  const log = context.log.with({ namespace: bundle.namespace, container: bundle.id });
  const shimLogPath = join(bundle.path, "log");
  try {
    await context.helper.mkfifo(shimLogPath, 0o700);
  } catch (error) {
    throw unlessNoRoom(error, bundle.path);
  }
  const shimLog = openShimLog(shimLogPath, log, context.clock);
  attempt.shimLog = shimLog;
  const note = (change: Partial<Journal>) => {
    attempt.journal = { ...(attempt.journal as Journal), ...change };
    writeJournal(bundle.path, attempt.journal);
  };
  // Before the launch, so that whatever it leaves behind is found if we die with it.
  // biome-ignore format: one value a field
  attempt.journal = {
    version: 1, bootId: context.bootId, launchId: randomUUID(), shim, phase: "launching",
    address: "", api: 2, shimProcess: null, init: null, exit: null, outOfMemory: false,
    attended: options.client === null ? {} : { "": { directory: options.client, left: false } },
  };
  note({});
  ledger.forget(bundle.namespace, bundle.id);
  const call = { shim, bundle, launchId: attempt.journal.launchId, timeoutMs: timeouts.create, signal };
  const bootstrap = await context.launch(call, options.options);

  let task: LiveTask | null = null;
  const connect = async (to: Bootstrap): Promise<ShimLink> => {
    const link = createShimLink({
      bootstrap: to,
      dial: context.dial,
      dialTimeoutMs: timeouts.load,
      log,
      connection: await context.dial(to, timeouts.load),
      onGone: () => {
        const lost = task;
        // Before there is a task, the call that breaks tells; after it was deleted, the end is expected.
        if (lost !== null && registry.find(bundle.namespace, bundle.id) === lost)
          context.background.run("a shim that has ended could not be cleaned up", () => bury(context, lost, false));
      },
    });
    attempt.link = link;
    return link;
  };
  const connecting = connect(bootstrap);
  // Written while the shim accepts.
  note({ address: bootstrap.address, api: bootstrap.version });
  writeFileSync(join(bundle.path, "shim-binary-path"), shim, { mode: 0o600 });
  let link = await connecting;
  let shimProcess: ProcessIdentity | null = null;
  // Travels with Create: what its answer is good for comes later, if ever.
  const askForPid = () =>
    link
      .call((client) => client.connect({ id: bundle.id }, { namespace: bundle.namespace, timeoutMs: timeouts.call }))
      .then((answer) => {
        shimProcess = identify(answer.shimPid);
        if (task !== null) task.record({ shimProcess });
        else if (attempt.journal !== null) attempt.journal = { ...attempt.journal, shimProcess };
      })
      .catch((err: unknown) => log.debug("the pid of a shim is not known", { err: messageOf(err) }));
  const create = () => {
    void askForPid();
    return link.call((client) =>
      client.create(request(bundle, options), {
        namespace: bundle.namespace,
        timeoutMs: timeouts.create,
      }),
    );
  };
  const calling = create();
  // Written while the runtime works.
  writeFileSync(join(bundle.path, "bootstrap.json"), formatBootstrap(link.bootstrap));
  const created = calling.catch(async (error: unknown) => {
    if (kindOf(error) !== "unimplemented" || bootstrap.version !== 3) throw error;
    // It has version 3 of the bootstrap but only version 2 of the service.
    link.close();
    note({ api: 2 });
    link = await connect({ ...bootstrap, version: 2 });
    writeFileSync(join(bundle.path, "bootstrap.json"), formatBootstrap(link.bootstrap));
    return await create();
  });
  const told = created.catch((error: unknown) => {
    throw asContainerdSays(error, "failed to create shim task");
  });
  // Nobody has been told of it yet, so it can be taken back: by a runtime that closes, or with its container.
  const { pid } = await unlessAborted(told, signal);
  context.containers.get({ namespace: bundle.namespace, lease: "" }, bundle.id);
  note({ phase: "created", init: identityOf(pid), shimProcess });
  task = new LiveTask({
    bundle,
    journal: attempt.journal,
    link,
    shimLog: shimLog as ShimLog,
    timeouts,
    silent: false,
    found: null,
    attend: (attended) => attendanceOf(context, attended),
    escalate: (stuck) => bury(context, stuck, true),
    forgotten: (lost) =>
      context.background.run("a task that its shim has deleted could not be removed", () => deleteTask(context, lost)),
  });
  registry.add(task);
  forgetExit(context, bundle.namespace, bundle.id);
  recordHeard(context, task);
  task.attendance.resume();
  return task;
}

function request(bundle: Bundle, task: Restoring) {
  const { id, rootfs, terminal, stdin, stdout, stderr, checkpoint, options } = task;
  return { id, bundle: bundle.path, rootfs, terminal, stdin, stdout, stderr, checkpoint, options };
}
