// A private berthd, as built, with its own root, state and sockets.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { daemonOf, removeLeftovers } from "./daemon.ts";

const run = promisify(execFile);
const top = resolve(import.meta.dirname, "../..");

/** What the build makes. */
export const berthdPath = join(top, "dist/bin/berthd");
export const ownShim = join(top, "dist/bin/containerd-shim-berth-v2");
export const goShim = "/usr/bin/containerd-shim-runc-v2";

export interface Berthd extends AsyncDisposable {
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

export interface BerthdOptions {
  /** Path of the shim that serves io.containerd.runc.v2. Default: berth's own. */
  readonly shim?: string;
  /** More text for its config file. */
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Launcher to start. Default: the built one. */
  readonly program?: string;
  /** What starts it, such as `unshare -m`; /run is the same in there. */
  readonly within?: readonly string[];
}

/** Starts berthd and waits until it answers (at most 20 s). Its directory is short: socket paths are. */
export async function startBerthd(options: BerthdOptions = {}): Promise<Berthd> {
  const { shim = "", config = "", env = {}, program = berthdPath, within = [] } = options;
  if (!existsSync(program)) throw new Error(`${program} is not built: run npm run build`);
  const dir = mkdtempSync("/run/berth-bd-");
  const address = join(dir, "b.sock");
  const root = join(dir, "root");
  const state = join(dir, "state");
  const configFile = join(dir, "config.toml");
  writeFileSync(
    configFile,
    `version = 2
root = ${JSON.stringify(root)}
state = ${JSON.stringify(state)}
[grpc]
address = ${JSON.stringify(address)}
[debug]
level = "debug"
[plugins."io.containerd.runtime.v2.task"]
default_shim = ${JSON.stringify(shim)}
${config}`,
  );
  const ctr = async (...args: string[]): Promise<string> => {
    const { stdout } = await run("/usr/bin/ctr", ["--address", address, ...args], { maxBuffer: 16 << 20 });
    return stdout;
  };
  const [command = "", ...args] = [...within, program, "--config", configFile];
  const daemon = daemonOf({
    command,
    args,
    env,
    logFile: join(dir, "log"),
    answers: () => ctr("version"),
  });
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
    address,
    ttrpcAddress: `${address}.ttrpc`,
    dir,
    root,
    state,
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
