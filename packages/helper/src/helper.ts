// Speaks with `berth-launch`, a small process beside us that makes the calls which Node lacks. It also runs commands: Node
// makes a child with fork(2), which copies the page tables of a process of 80 MB and leaves a page fault for every page
// that it writes afterwards: 4 ms and more a launch, during which nobody else is served. The small one uses vfork.
import { deadlineExceeded, type Log, unknownError } from "@berth/base";
import { Channel, HelperError } from "./channel.ts";
import { type Command, type CommandResult, type RunCommand, runCommand } from "./run-command.ts";

/** How long the end of a command that was given up is waited for. */
const GONE_MS = 2_000;
/** What a call has that waits for nobody, and a program that stands in for one. */
const CALL_MS = 10_000;

export interface Helper {
  readonly run: RunCommand;
  /** mkfifo(3); the mode holds whatever the umask. Errors have the `code` of the system. */
  mkfifo(path: string, mode: number): Promise<void>;
  /** sd_pid_notify(3) in our name. `socket` is what NOTIFY_SOCKET says. */
  notify(socket: string, state: string): Promise<void>;
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
  return {
    run(command) {
      const through = living();
      return through === null ? runCommand(command) : runThrough(through, command);
    },
    async mkfifo(path, mode) {
      const through = living();
      if (through !== null) await soon(through, `mkfifo ${path}`, { call: "mkfifo", path, mode }, callMs);
      else await standIn({ file: "mkfifo", args: ["-m", mode.toString(8), "--", path], timeoutMs: CALL_MS });
    },
    async notify(socket, state) {
      const { pid } = process;
      const through = living();
      if (through !== null) {
        await soon(through, "sd_notify", { call: "notify", socket, state, pid }, callMs);
        return;
      }
      const environment = { PATH: process.env.PATH, NOTIFY_SOCKET: socket };
      const args = [`--pid=${pid}`, ...state.split("\n")];
      await standIn({ file: "systemd-notify", args, env: environment, timeoutMs: CALL_MS });
    },
    async close() {
      closed = true;
      await channel?.close();
      channel = null;
    },
  };
}

/** A helper that is stopped keeps nobody waiting. */
async function soon(
  channel: Channel,
  about: string,
  head: Parameters<Channel["request"]>[1],
  ms: number,
): Promise<void> {
  const { id, answer } = channel.request(about, head);
  const late = setTimeout(
    () => channel.giveUp(id, deadlineExceeded(`${about} was not done by berthd's helper within ${ms} ms`)),
    ms,
  );
  try {
    await answer;
  } finally {
    clearTimeout(late);
  }
}

async function standIn(command: Command): Promise<void> {
  const { status, stderr } = await runCommand(command);
  const said = stderr.toString().trim();
  if (status === 0) return;
  const code = /no space left/i.test(said) ? "ENOSPC" : /quota exceeded/i.test(said) ? "EDQUOT" : "";
  throw new HelperError(code, said || `${command.file} ended with status ${status}`);
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
  // Told once the command is gone, so that whoever cleans up after it finds all that it has left.
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
