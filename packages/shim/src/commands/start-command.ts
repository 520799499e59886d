// `start`: makes the shim of a container, or finds the one of its group, and says where it listens.
import { invalidArgument, messageOf, unknownError } from "@berth/base";
import {
  connectUnix,
  dup2,
  env,
  exit,
  Fd,
  fork,
  holdSignals,
  isCode,
  kill,
  listenUnix,
  O,
  open,
  readdir,
  readText,
  scheduleCoreCreate,
  setsid,
  sha256,
  stat,
  stdout,
  unlink,
  write,
  writeFile,
  writeFileAtomic,
} from "@berth/host";
import { parseStartInput, startReply } from "../bootstrap.ts";
import { type Bundle, bundleAt } from "../bundle/bundle.ts";
import { readBundleConfig, saveOptions } from "../bundle/bundle-files.ts";
import { joinShimCgroup } from "../cgroup/shim-cgroup.ts";
import { quietWriter } from "../quiet-writer.ts";
import { type ServerConfig, serverSignals } from "../server.ts";
import { socketOf } from "../state/forwarder.ts";
import { createLogger } from "../stdio/logger.ts";
import type { Flags } from "./flags.ts";
import { readStdin } from "./read-stdin.ts";
import { socketPath } from "./socket-address.ts";
import { socketDirectory } from "./socket-directory.ts";

const MAX_OOM_SCORE = 1000;
const SIGKILL = 9;

/**
 * Prints the address and ends, in the caller's process; in the other one it returns what is to be served. `directory` is
 * the bundle.
 */
export function startCommand(flags: Flags, directory: string): ServerConfig {
  if (flags.id === "") throw invalidArgument("shim cannot be started without -id");
  if (flags.namespace === "") throw invalidArgument("shim cannot be started without -namespace");
  const bundle = bundleAt(directory);
  const input = parseStartInput(readStdin(), flags.id, flags.namespace);
  const folder = socketDirectory(input.bootstrap?.socketDir ?? "");
  const group = groupOf(bundle) || flags.id;
  const hash = (text: string) => sha256(new TextEncoder().encode(text));
  const named = (wish: string, ...suffix: string[]) =>
    wish === "" ? socketPath(hash, folder, flags.address, flags.namespace, group, ...suffix) : socketOf(wish);
  const path = named(flags.socket);

  const reply = (): never => {
    // For a `delete` that comes before any Create.
    if (input.options !== null) saveOptions(bundle, input.options);
    writeFileAtomic(bundle.address, `unix://${path}`, { mode: 0o600 });
    const bytes = startReply(input, `unix://${path}`, directory);
    for (let at = 0; at < bytes.length; ) at += Math.max(0, write(stdout, bytes.subarray(at)));
    exit(0);
  };
  // From here on there is a socket: none of them may end a process that does not take it away.
  holdSignals(...serverSignals);
  const listener = listenOrFind(path);
  if (listener === null) return reply();
  const debug = flags.debug || (input.bootstrap?.logLevel ?? 0) < 0;
  const debugPath = named(flags.debugSocket, "debug");
  const debugListener = debug || flags.debugSocket !== "" ? listenOrFind(debugPath) : null;
  let child = 0;
  try {
    const { options } = input;
    // What the process is born with, before it is born: the parent does not live long enough to be harmed.
    if (env("SCHED_CORE")) takeCore();
    if (options?.shimCgroup) joinShimCgroup(options.shimCgroup);
    raiseOomScore();
    child = fork();
    if (child !== 0) return reply();
  } catch (error) {
    // Nobody will hear of it: it must not stay behind.
    if (child !== 0) kill(child, SIGKILL);
    unlink(path, { force: true });
    if (debugListener !== null) unlink(debugPath, { force: true });
    throw error;
  }
  detach(bundle, debugListener === null ? [listener] : [listener, debugListener]);
  const log = createLogger(quietWriter, debug).with({
    namespace: flags.namespace,
    container: flags.id,
  });
  return {
    listener,
    socket: path,
    debug: debugListener === null ? null : { listener: debugListener, path: debugPath },
    namespace: flags.namespace,
    daemon: socketOf(env("TTRPC_ADDRESS") || input.bootstrap?.containerdTtrpcAddress || ttrpcOf(flags.address)),
    options: input.options,
    runDirectory: folder,
    log,
  };
}

const ttrpcOf = (address: string): string => (address === "" ? "" : `${address}.ttrpc`);

function groupOf(bundle: Bundle): string {
  try {
    return readBundleConfig(bundle).group;
  } catch (error) {
    if (isCode(error, "ENOENT")) return "";
    if (error instanceof SyntaxError)
      throw invalidArgument(`${bundle.config} is not a container specification: ${messageOf(error)}`);
    throw error;
  }
}

/** null: a living shim of the group has the socket already. */
function listenOrFind(path: string): Fd | null {
  try {
    return listenUnix(path);
  } catch (error) {
    if (!isCode(error, "EADDRINUSE")) throw error;
  }
  try {
    connectUnix(path).close();
    return null;
  } catch (error) {
    if (!isCode(error, "ECONNREFUSED", "ENOENT")) throw error;
  }
  // Its owner was killed.
  unlink(path, { force: true });
  return listenUnix(path);
}

/** No other process shares a core with this group at the same time. A daemon that wants it would rather have no shim. */
function takeCore(): void {
  try {
    scheduleCoreCreate();
  } catch (error) {
    throw unknownError(`enable sched core support: ${messageOf(error)}`, { cause: error });
  }
}

/** The kernel is to take a shim before its daemon. */
function raiseOomScore(): void {
  const score = Number.parseInt(readText("/proc/self/oom_score_adj"), 10);
  writeFile("/proc/self/oom_score_adj", String(Math.min(score + 1, MAX_OOM_SCORE)));
}

/** Away from the daemon's session and its pipes (it waits until nobody holds them), and from all that it has leaked. */
function detach(bundle: Bundle, kept: readonly Fd[]): void {
  setsid();
  for (const name of readdir("/proc/self/fd")) {
    const number = Number(name);
    if (number > 2 && kept.every((fd) => fd.number !== number)) new Fd(number, "an inherited descriptor").close();
  }
  const nothing = open("/dev/null", O.RDWR);
  dup2(nothing, 0);
  dup2(nothing, 1);
  const log = openLog(bundle);
  dup2(log ?? nothing, 2);
  log?.close();
  nothing.close();
}

/** The FIFO that the daemon reads; null where nobody does. */
function openLog(bundle: Bundle): Fd | null {
  if (stat(bundle.log)?.kind !== "fifo") return null;
  try {
    return open(bundle.log, O.WRONLY | O.NONBLOCK);
  } catch (error) {
    if (isCode(error, "ENXIO")) return null;
    throw error;
  }
}
