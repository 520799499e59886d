// A private containerd, or what takes its place: its own root, state and sockets.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { promisify } from "node:util";
import { daemonOf, removeLeftovers } from "./daemon.ts";

const run = promisify(execFile);

export interface Supervisor extends AsyncDisposable {
  /** Its gRPC socket. */
  readonly address: string;
  /** Its ttrpc socket. */
  readonly ttrpcAddress: string;
  readonly dir: string;
  readonly root: string;
  readonly state: string;
  /** Of the process that runs now. */
  readonly pid: number;
  /** Milliseconds from the launch to the first answer. */
  readonly startMs: number;
  /** What it has logged so far, over all restarts. */
  log(): string;
  /** Debian's ctr against it: its output. Rejects with ctr's error text. */
  ctr(...args: string[]): Promise<string>;
  /** Ends the process, by SIGKILL unless said otherwise, and waits for its end; containers go on. */
  end(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same directories and waits until it answers. */
  restart(): Promise<void>;
  /** Stops it and everything that it started, and removes its files. */
  stop(): Promise<void>;
}

export interface SupervisorOptions extends Pick<Supervisor, "address" | "dir" | "root" | "state"> {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What is mounted goes with all that is mounted below the daemon's directory. */
export function mountState(path: string): void {
  mkdirSync(path, { mode: 0o711 });
  execFileSync("/usr/bin/mount", ["-t", "tmpfs", "-o", "mode=0711", "tmpfs", path]);
}

/** Starts it and waits until it answers. */
export async function startSupervisor({ command, env, ...places }: SupervisorOptions): Promise<Supervisor> {
  const { address, dir } = places;
  const ctr = async (...args: string[]): Promise<string> => {
    const { stdout } = await run("/usr/bin/ctr", ["--address", address, ...args], { maxBuffer: 16 << 20 });
    return stdout;
  };
  const [program = "", ...args] = command;
  const daemon = daemonOf({ command: program, args, env, logFile: `${dir}/log`, answers: () => ctr("version") });
  let startMs = 0;
  const restart = async () => {
    startMs = await daemon.start();
  };
  const stop = async () => {
    await daemon.end("SIGTERM");
    await removeLeftovers(dir);
  };
  try {
    await restart();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ...places,
    ttrpcAddress: `${address}.ttrpc`,
    get pid() {
      return daemon.pid;
    },
    get startMs() {
      return startMs;
    },
    log: daemon.log,
    ctr,
    end: daemon.end,
    restart,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
