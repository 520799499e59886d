// A private containerd of Debian's, with its own root, state and sockets: the original that ours is held against.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { daemonOf, removeLeftovers } from "./daemon.ts";

const run = promisify(execFile);

export interface RealContainerd extends AsyncDisposable {
  /** Its gRPC socket. */
  readonly address: string;
  /** Its ttrpc socket. */
  readonly ttrpcAddress: string;
  readonly dir: string;
  readonly root: string;
  readonly state: string;
  /** Of the process that runs now. */
  readonly pid: number;
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

export interface ContainerdOptions {
  /** More text for its config file. */
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What starts it, such as `chroot DIR`; /run is the same in there. */
  readonly within?: readonly string[];
}

/** True where Debian's containerd is installed and we may run it. */
export const hasContainerd = (): boolean => existsSync("/usr/bin/containerd") && process.getuid?.() === 0;

/** Starts containerd and waits until it answers (at most 20 s). Its directory is short: socket paths are. */
export async function startContainerd({
  config = "",
  env = {},
  within = [],
}: ContainerdOptions = {}): Promise<RealContainerd> {
  const dir = mkdtempSync("/run/berth-cd-");
  const address = join(dir, "c.sock");
  const root = join(dir, "root");
  const state = join(dir, "state");
  writeFileSync(join(dir, "config.toml"), configText({ root, state, address, opt: join(dir, "opt") }) + config);
  const ctr = async (...args: string[]): Promise<string> => {
    const { stdout } = await run("/usr/bin/ctr", ["--address", address, ...args], { maxBuffer: 16 << 20 });
    return stdout;
  };
  const [command = "", ...args] = [...within, "/usr/bin/containerd", "--config", join(dir, "config.toml")];
  const daemon = daemonOf({
    command,
    args,
    env,
    logFile: join(dir, "log"),
    answers: () => ctr("version"),
  });
  const stop = async () => {
    await daemon.end("SIGTERM");
    await removeLeftovers(dir);
  };
  try {
    await daemon.start();
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
    get pid() {
      return daemon.pid;
    },
    log: daemon.log,
    ctr,
    end: daemon.end,
    async restart() {
      await daemon.start();
    },
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
