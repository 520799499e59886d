// A private containerd of Debian's, with its own root, state and sockets: the original that ours is held against.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { mountsBelow, processesNaming } from "./leftovers.ts";

const run = promisify(execFile);

export interface RealContainerd extends AsyncDisposable {
  /** Its gRPC socket. */
  readonly address: string;
  /** Its ttrpc socket. */
  readonly ttrpcAddress: string;
  readonly dir: string;
  readonly root: string;
  readonly state: string;
  readonly pid: number;
  /** What it has logged so far. */
  log(): string;
  /** Debian's ctr against it: its output. Rejects with ctr's error text. */
  ctr(...args: string[]): Promise<string>;
  /** Stops it and everything that it started, and removes its files. */
  stop(): Promise<void>;
}

export interface ContainerdOptions {
  /** More text for its config file. */
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** True where Debian's containerd is installed and we may run it. */
export const hasContainerd = (): boolean => existsSync("/usr/bin/containerd") && process.getuid?.() === 0;

/** Starts containerd and waits until it answers (at most 20 s). Its directory is short: socket paths are. */
export async function startContainerd({ config = "", env = {} }: ContainerdOptions = {}): Promise<RealContainerd> {
  const dir = mkdtempSync("/run/berth-cd-");
  const address = join(dir, "c.sock");
  const root = join(dir, "root");
  const state = join(dir, "state");
  const logFile = join(dir, "log");
  writeFileSync(join(dir, "config.toml"), configText({ root, state, address, opt: join(dir, "opt") }) + config);
  const out = openSync(logFile, "a");
  const child = spawn("/usr/bin/containerd", ["--config", join(dir, "config.toml")], {
    stdio: ["ignore", out, out],
    env: { ...process.env, ...env },
  });
  closeSync(out);
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const log = () => readFileSync(logFile, "utf8");
  const ctr = async (...args: string[]): Promise<string> => {
    const { stdout } = await run("/usr/bin/ctr", ["--address", address, ...args], { maxBuffer: 16 << 20 });
    return stdout;
  };
  const stop = async () => {
    await endProcess(child, exited);
    await removeLeftovers(dir);
  };
  try {
    await untilAnswers(child, ctr, log);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    address,
    ttrpcAddress: `${address}.ttrpc`,
    dir,
    root,
    state,
    pid: child.pid as number,
    log,
    ctr,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

const configText = (paths: { root: string; state: string; address: string; opt: string }): string => `
version = 2
root = ${JSON.stringify(paths.root)}
state = ${JSON.stringify(paths.state)}
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = ${JSON.stringify(paths.address)}
[plugins."io.containerd.internal.v1.opt"]
  path = ${JSON.stringify(paths.opt)}
`;

async function untilAnswers(
  child: ChildProcess,
  ctr: (...args: string[]) => Promise<string>,
  log: () => string,
): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
      throw new Error(`containerd has ended:\n${log().slice(-2000)}`);
    try {
      await ctr("version");
      return;
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error(`containerd does not answer:\n${log().slice(-2000)}`, { cause: error });
    }
    // There is nothing to wait on: its socket appears before it answers.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function endProcess(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await exited;
  clearTimeout(timer);
}

/** Shims outlive containerd, and hold containers and mounts: ours by the directory in their command line. */
async function removeLeftovers(dir: string): Promise<void> {
  for (const { pid } of processesNaming(dir)) {
    for (const child of childrenOf(pid)) killNow(child);
    killNow(pid);
  }
  for (const point of mountsBelow(dir).reverse()) await run("umount", ["-l", point]);
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

function childrenOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return children === "" ? [] : children.split(" ").map(Number);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
