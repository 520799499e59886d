// A daemon under test: started, asked until it answers, ended by its pid, started again on the same directories.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { bundlesBelow, mountsBelow, processesNaming, removeCgroups } from "./leftovers.ts";
import { descendantsOf, killNow, killThose } from "./processes.ts";
import { until } from "./until.ts";

const run = promisify(execFile);
/** For a daemon to end before it is killed: such an end leaves traces, of which tests know. */
const PATIENCE_MS = 60_000;

export interface DaemonOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where its stdout and stderr are appended. */
  readonly logFile: string;
  /** Rejects as long as it does not answer. */
  readonly answers: () => Promise<unknown>;
}

export interface Daemon {
  /** Of the process that runs now; 0 where none does. */
  readonly pid: number;
  /** What it has logged so far, over all restarts. */
  log(): string;
  /** Resolves once it answers; milliseconds from the launch. */
  start(): Promise<number>;
  /** Ends the process, by SIGKILL unless said otherwise, and waits for its end. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

export function daemonOf({ command, args, env = {}, logFile, answers }: DaemonOptions): Daemon {
  let running: { child: ChildProcess; exited: Promise<void> } | null = null;
  const log = () => readFileSync(logFile, "utf8");
  return {
    get pid() {
      return running?.child.pid ?? 0;
    },
    log,
    async start() {
      const begun = performance.now();
      const out = openSync(logFile, "a");
      const child = spawn(command, args, { stdio: ["ignore", out, out], env: { ...process.env, ...env } });
      closeSync(out);
      const exited = new Promise<void>((done) => {
        child.once("exit", () => done());
        child.once("error", () => done());
      });
      running = { child, exited };
      await untilAnswers(command, child, answers, log);
      return performance.now() - begun; // clock: the benchmark reports it
    },
    async end(signal = "SIGKILL") {
      if (running === null) return;
      const { child, exited } = running;
      running = null;
      if (hasEnded(child)) return;
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

async function untilAnswers(
  command: string,
  child: ChildProcess,
  answers: () => Promise<unknown>,
  log: () => string,
): Promise<void> {
  let last: unknown;
  // There is nothing to wait on: a socket appears before its daemon answers.
  await until(
    async () => {
      try {
        await answers();
        return true;
      } catch (error) {
        if (hasEnded(child))
          throw new Error(`${command} has ended (${child.exitCode ?? child.signalCode}):\n${log().slice(-2000)}`, {
            cause: error,
          });
        last = error;
        return false;
      }
    },
    () => `${command} answers: ${last}\n${log().slice(-2000)}`,
  );
}

/** Shims outlive their daemon, and hold containers and mounts: its own by the directory in their command line. */
export async function removeLeftovers(dir: string): Promise<void> {
  for (const { pid } of processesNaming(dir)) {
    const below = descendantsOf(pid);
    // First who could start more.
    killNow(pid);
    killThose(below);
  }
  for (const socket of socketsOf(join(dir, "state"))) rmSync(socket, { force: true });
  removeCgroups(join(dir, "state"));
  for (const point of mountsBelow(dir).reverse()) await run("umount", ["-l", point]);
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** A shim that is killed cannot remove its socket; its bundle says where that is. */
function socketsOf(state: string): string[] {
  return bundlesBelow(state).flatMap((bundle) => {
    const address = join(state, "io.containerd.runtime.v2.task", bundle, "address");
    if (!existsSync(address)) return [];
    const [, path] = /^unix:\/\/(\/.+)$/.exec(readFileSync(address, "utf8").trim()) ?? [];
    return path === undefined ? [] : [path];
  });
}
