// A private berthd, as built, with its own root, state and sockets.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { mountsBelow, processesNaming } from "./leftovers.ts";

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
}

/** Starts berthd and waits until it answers (at most 20 s). Its directory is short: socket paths are. */
export async function startBerthd(options: BerthdOptions = {}): Promise<Berthd> {
  const { shim = "", config = "", env = {}, program = berthdPath } = options;
  if (!existsSync(program)) throw new Error(`${program} is not built: run npm run build`);
  const dir = mkdtempSync("/run/berth-bd-");
  const address = join(dir, "b.sock");
  const root = join(dir, "root");
  const state = join(dir, "state");
  const logFile = join(dir, "log");
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
  const log = () => readFileSync(logFile, "utf8");
  const ctr = async (...args: string[]): Promise<string> => {
    const { stdout } = await run("/usr/bin/ctr", ["--address", address, ...args], { maxBuffer: 16 << 20 });
    return stdout;
  };

  let running: { child: ChildProcess; exited: Promise<void> } | null = null;
  let startMs = 0;
  const restart = async () => {
    const begun = performance.now();
    const out = openSync(logFile, "a");
    const child = spawn(program, ["--config", configFile], {
      stdio: ["ignore", out, out],
      env: { ...process.env, ...env },
    });
    closeSync(out);
    const exited = new Promise<void>((done) => {
      child.once("exit", () => done());
      child.once("error", () => done());
    });
    running = { child, exited };
    await untilAnswers(child, ctr, log);
    startMs = performance.now() - begun;
  };
  const end = async (signal: NodeJS.Signals = "SIGKILL") => {
    if (running === null) return;
    const { child, exited } = running;
    running = null;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await exited;
    clearTimeout(timer);
  };
  const stop = async () => {
    await end("SIGTERM");
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
      return running?.child.pid ?? 0;
    },
    get startMs() {
      return startMs;
    },
    log,
    ctr,
    end,
    restart,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function untilAnswers(
  child: ChildProcess,
  ctr: (...args: string[]) => Promise<string>,
  log: () => string,
): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
      throw new Error(`berthd has ended:\n${log().slice(-2000)}`);
    try {
      await ctr("version");
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`berthd does not answer:\n${log().slice(-2000)}`, { cause: error });
    }
    // There is nothing to wait on: a refused connection says nothing of when to try again.
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Shims outlive their supervisor, and hold containers and mounts: ours by the directory in their command line. */
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
