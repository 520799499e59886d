import { readFileSync } from "node:fs";
import { join } from "node:path";
import { canceled, failedPrecondition, messageOf, unavailable } from "@berth/base";
import { createBackground } from "./background.ts";
import { openLayout } from "./bundle.ts";
import { CgroupClaims } from "./claim-cgroup.ts";
import { abandonedDirectories, removeFifos } from "./client-fifos.ts";
import type { Context } from "./context.ts";
import { createTask } from "./create-task.ts";
import { within } from "./deadline.ts";
import { deleteTask } from "./delete-task.ts";
import { createExchange } from "./exchange.ts";
import { createExitLedger } from "./exit-ledger.ts";
import { createLauncher } from "./launch-shim.ts";
import { createLimit } from "./limit.ts";
import { defaultTimeouts, type RuntimeOptions } from "./options.ts";
import { findBundles, reconnectBundle } from "./reconnect.ts";
import { recordHeard } from "./record-heard.ts";
import { askShim } from "./shim-command.ts";
import { dialShim } from "./shim-connection.ts";
import { noTask, taskExists } from "./shim-error.ts";
import { sweep } from "./sweep.ts";
import { TaskRegistry } from "./task-registry.ts";
import type { Runtime, TaskExited, TaskManager } from "./types.ts";
import { undecidedAbout } from "./undecided.ts";

/** Where the berth shim makes its socket, from its environment. */
const SOCKET_DIR_VARIABLE = "BERTH_SHIM_SOCKET_DIR";
/** unix(7) has 108 bytes for a path and its end; a name in there has 64. */
const MAX_SOCKET_DIR = 42;
/** Shims that are dialed at once after a restart. */
const RECONNECTS = 32;
/** How often directories are looked for that clients have left. */
const FIFO_SWEEP_MS = 20_000;
/** `delete` commands at once. */
const CLEANUPS = 4;
/** sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3), and node:child_process. */
const OURS = [
  "NOTIFY_SOCKET",
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  "NODE_CHANNEL_FD",
];

/**
 * Opens the runtime on its directories. Nothing is dialed and nobody is launched before `reconnect` or a
 * create; until `reconnect` has decided about a container that is on disk, `settled` waits for it.
 */
export async function openRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { log, clock, helper } = options;
  const stop = new AbortController();
  const registry = new TaskRegistry();
  const listeners = new Set<(exited: TaskExited) => void>();
  const ledger = createExitLedger({
    exited(namespace, id, process) {
      const task = registry.find(namespace, id);
      if (task !== null && process === id) recordHeard({ ledger, log }, task);
      else task?.attendance.ended(process);
      const exited = { namespace, id, execId: process === id ? "" : process };
      // Who listens to events hears of it first.
      queueMicrotask(() => {
        for (const listener of listeners) listener(exited);
      });
    },
    ranOutOfMemory(namespace, id) {
      const task = registry.find(namespace, id);
      if (task !== null) recordHeard({ ledger, log }, task);
    },
  });
  const layout = openLayout(options.state, options.root);
  const { grpcAddress, ttrpcAddress, publishBinary, daemonVersion } = options;
  // What a service manager gave to us is not for the shims.
  const environment = { ...(options.environment ?? process.env) };
  for (const name of OURS) delete environment[name];
  const socketDirectory = join(options.state, "s");
  // Each supervisor has its shims' sockets to itself, where their paths (64 hex digits below) fit into an address.
  if (socketDirectory.length <= MAX_SOCKET_DIR) environment[SOCKET_DIR_VARIABLE] = socketDirectory;
  const setting = { grpcAddress, ttrpcAddress, publishBinary, daemonVersion, environment, run: helper.run };
  const context: Context = {
    layout,
    socketDirectory,
    runcRoot: join(options.state, "runc"),
    bootId: options.bootId ?? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    timeouts: { ...defaultTimeouts, ...options.timeouts },
    log,
    clock,
    containers: options.containers,
    exits: options.exits,
    putAside: options.putAside,
    drainCommand: options.drainCommand,
    resolveShim: options.resolveShim,
    setting,
    launch: createLauncher(setting, log),
    dial: dialShim,
    helper,
    registry,
    cgroups: new CgroupClaims((namespace, id) => registry.isTaken(namespace, id)),
    ledger,
    events: createExchange({ clock, log, admit: ledger.admit }),
    cleanups: createLimit(CLEANUPS),
    background: createBackground(log),
    stopping: stop.signal,
  };

  const found = findBundles(context);
  const undecided = undecidedAbout(found);
  const { settled } = undecided;
  // One deadline for all, from the start of the reconnection: a shim that does not answer delays only who comes before it.
  const patience = Promise.withResolvers<void>();
  let reconnecting: Promise<void> | null = null;
  const reconnect = async () => {
    const limit = createLimit(RECONNECTS);
    context.background.after(context.timeouts.load, patience.resolve);
    await Promise.all(
      found.map(async (bundle) => {
        if (!stop.signal.aborted) await reconnectBundle(context, bundle, limit);
        undecided.decide(bundle);
      }),
    );
    if (stop.signal.aborted) return;
    await sweep(context);
    sweepFifos();
  };
  /** Directories of clients that have left without a word, again and again. */
  const sweepFifos = () => {
    const isKept = (directory: string) => registry.all().some((task) => task.attendance.has(directory));
    try {
      for (const directory of abandonedDirectories(options.clientFifos, isKept, Date.now())) removeFifos(directory);
    } catch (err) {
      log.warn("FIFOs that clients have left cannot be removed", { path: options.clientFifos, err: messageOf(err) });
    }
    context.background.after(FIFO_SWEEP_MS, sweepFifos);
  };
  const refuseWhenClosed = () => {
    if (stop.signal.aborted) throw failedPrecondition("the runtime is closed");
  };

  const reconnected = async (namespace: string, id: string): Promise<void> => {
    if (!undecided.has(namespace, id)) return;
    await within(settled(namespace, id), context.timeouts.reconnect, "the reconnection").catch((cause: unknown) => {
      throw unavailable(`container ${JSON.stringify(id)} is still being reconnected to: try again`, { cause });
    });
  };

  const creations = new Map<string, { readonly promise: Promise<unknown>; readonly taken: AbortController }>();
  const tasks: TaskManager = {
    async create(namespace, request, signal) {
      await settled(namespace, request.id);
      refuseWhenClosed();
      const key = `${namespace}/${request.id}`;
      // Refused at once, where the name is taken.
      if (creations.has(key)) throw taskExists(request.id);
      const taken = new AbortController();
      const signals = [stop.signal, taken.signal, ...(signal === undefined ? [] : [signal])];
      const promise = createTask(context, namespace, request, AbortSignal.any(signals));
      creations.set(key, { promise, taken });
      return await promise.finally(() => creations.delete(key));
    },
    async abandon(namespace, id) {
      const creation = creations.get(`${namespace}/${id}`);
      if (creation === undefined) return false;
      creation.taken.abort(canceled("the container is being removed"));
      await Promise.allSettled([creation.promise]);
      return true;
    },
    async find(namespace, id) {
      await reconnected(namespace, id);
      return registry.find(namespace, id);
    },
    async get(namespace, id) {
      const task = await tasks.find(namespace, id);
      if (task === null) throw noTask(id);
      return task;
    },
    known: (namespace, id) => registry.find(namespace, id),
    async list(namespace) {
      await Promise.race([undecided.allSettled(namespace), patience.promise]);
      return { tasks: registry.list(namespace), undecided: undecided.ids(namespace) };
    },
    async delete(namespace, id, { withContainer } = { withContainer: false }) {
      await settled(namespace, id);
      return await deleteTask(context, registry.get(namespace, id), withContainer);
    },
  };
  const close = async () => {
    if (stop.signal.aborted) return;
    stop.abort(canceled("the runtime is closing"));
    // Those that are not done are taken back, which is bounded by the deadlines of a clean-up.
    await Promise.allSettled([...creations.values()].map(({ promise }) => promise));
    for (const task of registry.all()) {
      task.advance({ at: "left" });
      task.link.close();
      task.shimLog.close();
    }
    await Promise.all([context.background.close(), reconnecting]);
  };
  return {
    tasks,
    events: context.events,
    onExit(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    info: (runtime, runtimeOptions) =>
      askShim(setting, context.resolveShim(runtime), runtimeOptions, context.timeouts.cleanup),
    reconnect: () => {
      reconnecting ??= reconnect();
      return reconnecting;
    },
    settled,
    async isSettled(namespace, id) {
      await Promise.race([settled(namespace, id), patience.promise]);
      return !undecided.has(namespace, id);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
