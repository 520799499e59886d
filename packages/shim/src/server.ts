// The long-running shim: serves the task API on its socket until the daemon has no use for it any more.
import type { Log } from "@berth/base";
import {
  acceptLoop,
  becomeSubreaper,
  credentials,
  disableHugePages,
  exit,
  type Fd,
  onSignal,
  onUncaught,
  type Peer,
  pid,
  type SocketStream,
  tidyAfter,
  unlink,
} from "@berth/host";
import type { Options } from "@berth/proto/containerd/runc/v1";
import { createUnaryServer } from "@berth/ttrpc";
import { createEventQueue } from "./state/event-queue.ts";
import { createEvents } from "./state/events.ts";
import { createForwarder } from "./state/forwarder.ts";
import type { Keeper } from "./state/keeper.ts";

const SIGINT = 2;
const SIGUSR1 = 10;
const SIGTERM = 15;
/** What `serve` listens to. Whoever forks it holds them before. */
export const serverSignals = [SIGINT, SIGUSR1, SIGTERM];
const QUEUE_LIMIT = 4096;
const FLUSH_MS = 5000;
/** A daemon keeps one connection; 32 halves of the longest frame are half of the heap. */
const limits = { maxConnections: 32, maxRequestBytes: 8 << 20 };
/** For the answer to Shutdown to leave. */
const GRACE_MS = 500;
/** Long enough that a start or an exec is over by then. */
const TIDY_MS = 500;

export interface ServerConfig {
  readonly listener: Fd;
  readonly socket: string;
  /** Socket that tells the state to each connection; null: none. */
  readonly debug: { readonly listener: Fd; readonly path: string } | null;
  readonly namespace: string;
  /** The daemon's ttrpc socket; empty for none. */
  readonly daemon: string;
  readonly options: Options | null;
  readonly runDirectory: string;
  readonly log: Log;
}

/** Returns at once; the program then lives from its loop. */
export function serve(config: ServerConfig): void {
  const { log, listener } = config;
  becomeSubreaper();
  disableHugePages();
  onUncaught((error) => {
    log.error("a task failed unexpectedly", {
      err: error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : error,
    });
  });

  const queue = createEventQueue(QUEUE_LIMIT);
  const forwarder = createForwarder({ namespace: config.namespace, socket: config.daemon, queue, log });
  // Whatever leaves garbage behind tells an event of it.
  const tidy = tidyAfter(TIDY_MS);
  const keeper: Keeper = {
    namespace: config.namespace,
    log,
    events: createEvents(queue, () => {
      forwarder.wake();
      tidy();
    }),
    containers: new Map(),
    creating: new Set(),
    options: config.options,
    runDirectory: config.runDirectory,
    sandbox: null,
    exits: 0,
    closing: false,
  };

  let ending = false;
  const end = async (): Promise<void> => {
    if (ending) return;
    ending = true;
    // First of all nobody new may find the socket: a shim of the same group makes its own.
    unlink(config.socket, { force: true });
    if (config.debug !== null) unlink(config.debug.path, { force: true });
    accepting[Symbol.dispose]();
    listener.close();
    keeper.closing = true;
    // The connection goes last: a daemon that sees it closed takes this process for gone.
    await forwarder.flush(FLUSH_MS);
    await server.shutdown(GRACE_MS);
    exit(0);
  };
  const tasks = async () => (await import("./state/task-service.ts")).registerTasks(keeper, () => void end());
  const server = createUnaryServer({
    registrations: [],
    late: [
      { typeName: "containerd.task.v2.Task", load: tasks },
      { typeName: "containerd.task.v3.Task", load: tasks }, // the same messages, byte for byte
      {
        typeName: "containerd.runtime.sandbox.v1.Sandbox",
        load: async () => (await import("./sandbox/sandbox-service.ts")).registerSandbox(keeper, () => void end()),
      },
    ],
    log,
    limits,
  });

  const dump = async () => (await import("./state/state-dump.ts")).stateDump(keeper, queue.length);
  const own = credentials();
  const listen = (fd: Fd, serveOne: (stream: SocketStream, peer: Peer) => void) =>
    acceptLoop(fd, (stream, peer) => {
      if (peer.uid === own.uid && peer.gid === own.gid) {
        serveOne(stream, peer);
        return;
      }
      log.warn("a connection of another user was closed", { pid: peer.pid });
      stream.close();
    });
  const accepting = listen(listener, (stream, peer) => void server.accept(stream, peer));
  if (config.debug !== null)
    listen(config.debug.listener, (stream) => void dump().then((text) => tell(stream, `${text}\n`)));

  // Containers go on without a shim that is told to go: their exits are then reported by `delete`.
  for (const signal of [SIGTERM, SIGINT])
    onSignal(signal, () => {
      log.info("shim is ending on a signal", { status: signal, count: keeper.containers.size });
      void end();
    });
  onSignal(SIGUSR1, () => void dump().then((text) => log.info(text)));
  log.debug("shim is serving", { pid: pid(), address: config.socket });
}

/** Says it and hangs up. What the other end says is of no interest. */
function tell(stream: SocketStream, text: string): void {
  stream.start({ onData() {}, onClose() {} });
  stream.write(new TextEncoder().encode(text));
  void stream.drained().then(() => stream.close());
}
