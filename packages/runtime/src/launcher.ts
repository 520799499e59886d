// Runs commands through `berth-launch`, a small process beside us. Node makes a child with fork(2), which copies the
// page tables of a process of 80 MB and leaves a page fault for every page that it writes afterwards: 4 ms and more a
// launch, during which nobody else is served. The small one uses vfork. Where it is missing or has ended, we fork.
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { deadlineExceeded, type Log, messageOf, unavailable } from "@berth/base";
import { launcherEnvironment } from "./launched-processes.ts";
import { type Command, type CommandResult, runCommand } from "./run-command.ts";

export type RunCommand = (command: Command) => Promise<CommandResult>;

export interface Launcher {
  readonly run: RunCommand;
  /** Ends the process; what it has launched goes on. */
  close(): Promise<void>;
}

/** Its descriptor of our socket. */
const CHANNEL = 3;
const PREFIX = 8;
/** How long the end of a command that was given up is waited for. */
const GONE_MS = 2_000;

interface Reply {
  readonly id: number;
  readonly status?: number;
  /** Bytes of the body that are stdout; the rest is stderr. */
  readonly stdout?: number;
  readonly error?: { readonly code: string; readonly message: string };
}

interface Waiting {
  resolve(result: CommandResult): void;
  reject(error: Error): void;
  readonly command: Command;
}

/** With null there is no such program: every command is run by ourselves. `state` tells launchers of two berthds apart. */
export function startLauncher(program: string | null, state: string, log: Log): Launcher {
  if (program === null) return { run: runCommand, close: async () => undefined };
  let helper: Helper | null = new Helper(program, state, log);
  let closed = false;
  return {
    run(command) {
      if (helper?.over) {
        // One that never did anything will not do better the next time.
        helper = helper.served && !closed ? new Helper(program, state, log) : null;
        return runCommand(command);
      }
      return helper === null ? runCommand(command) : helper.run(command);
    },
    async close() {
      closed = true;
      await helper?.close();
      helper = null;
    },
  };
}

class Helper {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  readonly #log: Log;
  #rest: Buffer = Buffer.alloc(0);
  #last = 0;
  over = false;
  /** Has answered at least once. */
  served = false;

  constructor(program: string, state: string, log: Log) {
    this.#log = log;
    this.#child = spawn(program, [], {
      // Away from our terminal: an interrupt is for us, and we tell it.
      detached: true,
      cwd: "/",
      env: launcherEnvironment(state),
      stdio: ["ignore", "ignore", "inherit", "pipe"],
    });
    this.#socket = this.#child.stdio[CHANNEL] as Socket;
    this.#exited = new Promise((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#child.once("error", (err) => {
        this.#end(messageOf(err));
        resolve();
      });
    });
    this.#child.unref();
    this.#socket?.unref();
    this.#socket?.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#socket?.on("error", (err) => this.#end(messageOf(err)));
    this.#socket?.on("close", () => this.#end("it has ended"));
  }

  run(command: Command): Promise<CommandResult> {
    const { file, args, cwd, env, input = null, timeoutMs, signal } = command;
    signal?.throwIfAborted();
    const id = ++this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
    let reason: Error | null = null;
    let late: NodeJS.Timeout | undefined;
    // Told once the command is gone, so that whoever cleans up after it finds all that it has left.
    const cancel = (why: Error) => {
      if (reason !== null || !this.#waiting.has(id)) return;
      reason = why;
      this.#send({ id, cancel: true });
      late = setTimeout(() => {
        this.#waiting.delete(id);
        reject(why);
      }, GONE_MS);
    };
    const timer = setTimeout(
      () => cancel(deadlineExceeded(`${file} ${args.at(-1) ?? ""} took longer than ${timeoutMs} ms`)),
      timeoutMs,
    );
    const abort = () => cancel(signal?.reason as Error);
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiting.set(id, { resolve, reject, command });
    // Only what is under way keeps this process going.
    this.#socket.ref();
    this.#send(
      {
        id,
        argv: [file, ...args],
        env: env === undefined ? null : variables(env),
        cwd: cwd ?? null,
        input: input !== null,
      },
      input ?? undefined,
    );
    const outcome = promise.then(
      (result) => (reason === null ? result : Promise.reject(reason)),
      (error: unknown) => Promise.reject(reason ?? error),
    );
    return outcome.finally(() => {
      clearTimeout(timer);
      clearTimeout(late);
      signal?.removeEventListener("abort", abort);
      if (this.#waiting.size === 0) this.#socket.unref();
    });
  }

  async close(): Promise<void> {
    this.#socket?.destroy();
    this.#child.ref();
    await this.#exited;
  }

  #send(head: object, body: Uint8Array = new Uint8Array(0)): void {
    const text = Buffer.from(JSON.stringify(head));
    const prefix = Buffer.allocUnsafe(PREFIX);
    prefix.writeUInt32BE(text.length, 0);
    prefix.writeUInt32BE(body.length, 4);
    this.#socket.write(Buffer.concat([prefix, text, body]));
  }

  #receive(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= PREFIX) {
      const head = this.#rest.readUInt32BE(0);
      const end = PREFIX + head + this.#rest.readUInt32BE(4);
      if (this.#rest.length < end) return;
      const reply = JSON.parse(this.#rest.toString("utf8", PREFIX, PREFIX + head)) as Reply;
      const body = Buffer.from(this.#rest.subarray(PREFIX + head, end));
      this.#rest = this.#rest.subarray(end);
      this.#settle(reply, body);
    }
  }

  #settle({ id, status, stdout = 0, error }: Reply, body: Buffer): void {
    this.served = true;
    const waiting = this.#waiting.get(id);
    // Canceled: whoever asked has gone.
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) {
      waiting.resolve({ status: status ?? null, stdout: body.subarray(0, stdout), stderr: body.subarray(stdout) });
      return;
    }
    // As child_process says it.
    const text = error.code === "" ? error.message : `spawn ${waiting.command.file} ${error.code}`;
    waiting.reject(Object.assign(new Error(text), { code: error.code, syscall: "spawn" }));
  }

  #end(why: string): void {
    if (this.over) return;
    this.over = true;
    if (this.#waiting.size > 0) this.#log.warn("the launcher has ended", { count: this.#waiting.size, err: why });
    for (const { command, reject } of this.#waiting.values())
      reject(unavailable(`${command.file} was being run by a helper of berthd that has ended: try again`));
    this.#waiting.clear();
    this.#socket?.destroy();
  }
}

const variables = (env: NodeJS.ProcessEnv): string[] =>
  Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
