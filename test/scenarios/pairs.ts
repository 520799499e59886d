// The four pairs of daemon and shim. The first is the original: a scenario that fails there is wrong.
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { goShim, ownShim, startBerthd } from "../support/berthd.ts";
import { startContainerd } from "../support/containerd.ts";

export interface Daemon extends AsyncDisposable {
  readonly address: string;
  readonly dir: string;
  readonly state: string;
  log(): string;
  ctr(...args: string[]): Promise<string>;
  /** Ends the daemon by SIGKILL. Containers go on. */
  end(): Promise<void>;
  /** Starts it again after `end`; whoever calls waits until it answers. */
  restart(): Promise<void>;
}

export interface Pair {
  readonly name: string;
  readonly daemon: "containerd" | "berthd";
  readonly shim: "go" | "berth";
  /** Path of the shim's program, as in its processes' command lines. */
  readonly shimPath: string;
  /** Container.runtime.name. */
  readonly runtime: string;
  start(): Promise<Daemon>;
}

const underBerthd = (shim: "go" | "berth", shimPath: string): Pair => ({
  name: `berthd + ${shim} shim`,
  daemon: "berthd",
  shim,
  shimPath,
  runtime: "io.containerd.runc.v2",
  start: () => startBerthd(shim === "go" ? { shim: goShim } : {}),
});

const underContainerd = (shim: "go" | "berth", shimPath: string): Pair => ({
  name: `containerd + ${shim} shim`,
  daemon: "containerd",
  shim,
  shimPath,
  runtime: shim === "go" ? "io.containerd.runc.v2" : shimPath,
  start: startOriginal,
});

export const pairs: readonly Pair[] = [
  underContainerd("go", goShim),
  underContainerd("berth", ownShim),
  underBerthd("go", goShim),
  underBerthd("berth", ownShim),
];

async function startOriginal(): Promise<Daemon> {
  const first = await startContainerd();
  let pid = first.pid;
  let ended: Promise<void> | null = null;
  let end = async (): Promise<void> => {
    process.kill(pid, "SIGKILL");
    while (isAlive(pid)) await new Promise((done) => setTimeout(done, 5)); // it is not our handle: nothing tells its end
  };
  return {
    address: first.address,
    dir: first.dir,
    state: first.state,
    log: first.log,
    ctr: first.ctr,
    async end() {
      await end();
    },
    async restart() {
      const out = openSync(join(first.dir, "log"), "a");
      const child = spawn("/usr/bin/containerd", ["--config", join(first.dir, "config.toml")], {
        stdio: ["ignore", out, out],
      });
      closeSync(out);
      pid = child.pid ?? 0;
      const exited = new Promise<void>((done) => {
        child.once("exit", () => done());
      });
      ended = exited;
      end = async () => {
        child.kill("SIGKILL");
        await exited;
      };
    },
    async [Symbol.asyncDispose]() {
      if (ended !== null) await end();
      await first.stop();
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // ESRCH: it is gone
  }
}
