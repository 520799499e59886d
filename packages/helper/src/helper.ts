// Speaks with `berth-launch`, a small process beside us that makes the calls which Node lacks. It also runs commands: Node
// makes a child with fork(2), which copies the page tables of a process of 80 MB and leaves a page fault for every page
// that it writes afterwards: 4 ms and more a launch, during which nobody else is served. The small one uses vfork.
import { deadlineExceeded, kindOf, type Log, unknownError } from "@berth/base";
import { type Answer, Channel, HelperError } from "./channel.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { type Command, type CommandResult, type RunCommand, runCommand } from "./run-command.ts";
import { standIns } from "./stand-ins.ts";

/** How long the end of a command that was given up is waited for. */
const GONE_MS = 2_000;
/** What a call has that waits for nobody. */
const CALL_MS = 10_000;

/** Errors of the system have their `code`. */
export interface Helper {
  readonly run: RunCommand;
  /** mkfifo(3); the mode holds whatever the umask. */
  mkfifo(path: string, mode: number): Promise<void>;
  /** sd_pid_notify(3) in our name. `socket` is what NOTIFY_SOCKET says. */
  notify(socket: string, state: string): Promise<void>;
  /** Signals this process, and no other that got its number (pidfd_send_signal(2), Linux 5.1). False if it has ended. */
  signal(target: ProcessIdentity, signal: number): Promise<boolean>;
  /** Resolves once the process has ended, as a zombie has. Rejects with the reason of the abort. */
  ended(target: ProcessIdentity, abort: AbortSignal): Promise<void>;
  /** Takes away what is mounted at each path, lazily (umount2(2), MNT_DETACH); links are not followed. */
  unmount(paths: readonly string[], timeoutMs: number): Promise<void>;
  /** What was written to the file system of a path is on its disk (syncfs(2)). */
  syncfs(path: string, timeoutMs: number): Promise<void>;
  /**
   * Makes a file that is a new network namespace, with its loopback interface up: it lives until that is unmounted and
   * unlinked. EEXIST where there is a file.
   */
  makeNetworkNamespace(path: string, timeoutMs: number): Promise<void>;
  /** Ends the process; what it has launched goes on. */
  close(): Promise<void>;
}

/**
 * With null there is no such program. Where it is missing or has just died, we fork, and other programs make the calls.
 * `env` is its environment, by which it can be recognised.
 */
export function startHelper(program: string | null, env: NodeJS.ProcessEnv, log: Log, callMs = CALL_MS): Helper {
  let channel = program === null ? null : new Channel(program, env, log);
  let closed = false;
  /** Null where we have to do it ourselves. */
  const living = (): Channel | null => {
    if (channel === null || !channel.over) return channel;
    // One that never did anything will not do better the next time.
    channel = channel.served && !closed && program !== null ? new Channel(program, env, log) : null;
    return null;
  };
  const run: RunCommand = (command) => {
    const through = living();
    return through === null ? runCommand(command) : runThrough(through, command);
  };
  /** A call that may wait for a disk is a command of the program. False where there is no program that does it. */
  const aside = async (name: string, paths: readonly string[], timeoutMs: number): Promise<boolean> => {
    const through = living();
    if (through === null || program === null) return false;
    const { status, stderr } = await runThrough(through, { file: program, args: [name, ...paths], env, timeoutMs });
    if (status === 0) return true;
    const [, code = "", message = ""] = /^(\S+) (.*)/s.exec(stderr.toString().trim()) ?? [];
    throw new HelperError(code === "-" ? "" : code, message || `berth-launch ${name} ended with status ${status}`);
  };
  return {
    run,
    async mkfifo(path, mode) {
      const through = living();
      if (through === null) return await standIns.mkfifo(path, mode);
      await soon(through, `mkfifo ${path}`, { call: "mkfifo", path, mode }, callMs);
    },
    async notify(socket, state) {
      const through = living();
      if (through === null) return await standIns.notify(socket, state);
      await soon(through, "sd_notify", { call: "notify", socket, state, pid: process.pid }, callMs);
    },
    async signal(target, signal) {
      const through = living();
      if (through === null) return await standIns.signal(target, signal);
      const call = { call: "signal", target, signal };
      const sent = soon(through, `a signal to process ${target.pid}`, call, callMs);
      return await sent.then(
        ({ done }) => done === true,
        unlessLost(() => standIns.signal(target, signal)),
      );
    },
    async ended(target, abort) {
      abort.throwIfAborted();
      const through = living();
      if (through === null) return await standIns.ended(target, abort);
      const { id, answer } = through.request(`the end of process ${target.pid}`, { call: "ended", target });
      const stop = () => {
        through.cancel(id);
        through.giveUp(id, abort.reason as Error);
      };
      abort.addEventListener("abort", stop, { once: true });
      await answer
        .then(
          () => undefined,
          unlessLost(() => standIns.ended(target, abort)),
        )
        .finally(() => abort.removeEventListener("abort", stop));
    },
    async unmount(paths, timeoutMs) {
      if (!(await aside("unmount", paths, timeoutMs))) await standIns.unmount(paths, timeoutMs);
    },
    async syncfs(path, timeoutMs) {
      if (!(await aside("syncfs", [path], timeoutMs))) await standIns.syncfs(path, timeoutMs);
    },
    async makeNetworkNamespace(path, timeoutMs) {
      if (!(await aside("netns", [path], timeoutMs))) await standIns.makeNetworkNamespace(path, timeoutMs);
    },
    async close() {
      closed = true;
      await channel?.close();
      channel = null;
    },
  };
}

/** For what can be done twice: where the helper has died, or is stopped, it is done without it. */
const unlessLost =
  <T>(again: () => Promise<T>) =>
  (error: unknown): Promise<T> =>
    ["unavailable", "deadline-exceeded"].includes(kindOf(error)) ? again() : Promise.reject(error);

/** A helper that is stopped keeps nobody waiting. */
async function soon(
  channel: Channel,
  about: string,
  head: Parameters<Channel["request"]>[1],
  ms: number,
): Promise<Answer> {
  const { id, answer } = channel.request(about, head);
  const late = setTimeout(
    () => channel.giveUp(id, deadlineExceeded(`${about} was not done by berthd's helper within ${ms} ms`)),
    ms,
  );
  try {
    return await answer;
  } finally {
    clearTimeout(late);
  }
}

async function runThrough(channel: Channel, command: Command): Promise<CommandResult> {
  const { file, args, cwd, env, input = null, timeoutMs, signal } = command;
  signal?.throwIfAborted();
  const head = {
    call: "run",
    argv: [file, ...args],
    env: env === undefined ? null : variables(env),
    cwd: cwd ?? null,
    input: input !== null,
  };
  const { id, answer } = channel.request(file, head, input ?? undefined);
  let reason: Error | null = null;
  let late: NodeJS.Timeout | undefined;
  // Rejects once the command is gone, so that a clean-up finds all that it has left.
  const cancel = (why: Error) => {
    if (reason !== null) return;
    reason = why;
    channel.cancel(id);
    late = setTimeout(() => channel.giveUp(id, why), GONE_MS);
  };
  const timer = setTimeout(
    () => cancel(deadlineExceeded(`${file} ${args.at(-1) ?? ""} took longer than ${timeoutMs} ms`)),
    timeoutMs,
  );
  const abort = () => cancel(signal?.reason as Error);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const { status, stdout = 0, body } = await answer;
    if (reason !== null) throw reason;
    return { status: status ?? null, stdout: body.subarray(0, stdout), stderr: body.subarray(stdout) };
  } catch (error) {
    throw reason ?? (error instanceof HelperError ? asChildProcess(file, error) : error);
  } finally {
    clearTimeout(timer);
    clearTimeout(late);
    signal?.removeEventListener("abort", abort);
  }
}

/** As child_process says it. */
function asChildProcess(file: string, { code, message }: HelperError): Error {
  const text = code === "" ? message : `spawn ${file} ${code}`;
  return Object.assign(code === "" ? unknownError(text) : new Error(text), { code, syscall: "spawn" });
}

const variables = (env: NodeJS.ProcessEnv): string[] =>
  Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
