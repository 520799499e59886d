import { spawn } from "node:child_process";
import { deadlineExceeded } from "@berth/base";

export type RunCommand = (command: Command) => Promise<CommandResult>;

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to stdin, which is /dev/null where there is none. */
  readonly input?: Uint8Array | null;
  /** Milliseconds, after which the command and its process group are killed. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface CommandResult {
  /** Exit code; 128 + 9 and the like are not made up: null where a signal ended it. */
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Bytes that are kept of each of a command's outputs. */
const OUTPUT_LIMIT = 1 << 20;
/** How long the outputs may stay open after the command itself has ended, because something it forked holds them. */
const LINGER_MS = 1_000;

/**
 * Runs a program in a session of its own, so that nothing which is sent to us reaches what it leaves behind.
 * Rejects where it cannot be started, with deadline-exceeded where it takes too long, and with the signal's
 * reason where that is aborted.
 */
export function runCommand(command: Command): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    command.signal?.throwIfAborted();
    const input = command.input ?? null;
    const child = spawn(command.file, command.args, {
      ...(command.cwd !== undefined && { cwd: command.cwd }),
      ...(command.env !== undefined && { env: command.env }),
      detached: true,
      stdio: [input === null ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const killGroup = () => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // Nobody is left in the group.
      }
    };
    const fail = (error: Error) => {
      stop();
      killGroup();
      child.stdout?.destroy();
      child.stderr?.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () =>
        fail(deadlineExceeded(`${command.file} ${command.args.at(-1) ?? ""} took longer than ${command.timeoutMs} ms`)),
      command.timeoutMs,
    );
    let linger: NodeJS.Timeout | null = null;
    const abort = () => fail(command.signal?.reason as Error);
    command.signal?.addEventListener("abort", abort, { once: true });
    const stop = () => {
      clearTimeout(timer);
      if (linger !== null) clearTimeout(linger);
      command.signal?.removeEventListener("abort", abort);
    };
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    let status: number | null = null;
    const finish = () => {
      stop();
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve({ status, stdout: stdout(), stderr: stderr() });
    };
    child.once("error", fail);
    child.once("exit", (code) => {
      status = code;
      linger = setTimeout(finish, LINGER_MS);
    });
    child.once("close", finish);
    if (input !== null) {
      // A program that does not read its input is no error.
      child.stdin?.on("error", () => undefined);
      child.stdin?.end(input);
    }
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on("data", (chunk: Buffer) => {
    const room = OUTPUT_LIMIT - size;
    if (room <= 0) return;
    chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    size += Math.min(chunk.length, room);
  });
  return () => Buffer.concat(chunks);
}
