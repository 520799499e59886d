// A private dockerd of Debian's, on any containerd: its own directories and socket, no network, no plugins.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mountsBelow, processesNaming } from "../support/leftovers.ts";
import { killNow, removeCgroups } from "./cgroups.ts";
import { type DockerCli, dockerCliAt } from "./cli.ts";

export const dockerdPath = "/usr/sbin/dockerd";

export interface Dockerd extends AsyncDisposable {
  readonly docker: DockerCli;
  readonly dir: string;
  /** Below it are the containers' cgroups, in every hierarchy. */
  readonly cgroupParent: string;
  readonly pid: number;
  log(): string;
  end(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same directories and waits until it answers. */
  restart(): Promise<void>;
}

export interface DockerdOptions {
  /** Socket of the containerd to use; null lets dockerd start the `containerd` that it finds on PATH. */
  readonly containerd: string | null;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts dockerd and waits until it answers (at most 30 s). Containers outlive it (`--live-restore`). */
export async function startDockerd({ containerd, env = {} }: DockerdOptions): Promise<Dockerd> {
  const dir = mkdtempSync("/run/berth-dk-");
  const host = `unix://${join(dir, "d.sock")}`;
  const cgroupParent = dir.slice(dir.lastIndexOf("/"));
  const logFile = join(dir, "log");
  const configFile = join(dir, "daemon.json");
  writeFileSync(configFile, "{}");
  const argv = [
    ...["--config-file", configFile, "--host", host, "--pidfile", join(dir, "pid")],
    ...["--data-root", join(dir, "root"), "--exec-root", join(dir, "exec"), "--cgroup-parent", cgroupParent],
    ...["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false"],
    ...["--storage-driver=overlay2", "--live-restore", "--debug"],
    ...(containerd === null ? [] : ["--containerd", containerd]),
  ];
  const docker = dockerCliAt(host, dir);
  const log = () => readFileSync(logFile, "utf8");

  let running: { child: ChildProcess; exited: Promise<void> } | null = null;
  const restart = async () => {
    const out = openSync(logFile, "a");
    const child = spawn(dockerdPath, argv, { stdio: ["ignore", out, out], env: { ...process.env, ...env } });
    closeSync(out);
    const exited = new Promise<void>((done) => {
      child.once("exit", () => done());
      child.once("error", () => done());
    });
    running = { child, exited };
    await untilAnswers(child, docker, log);
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
    for (const { pid } of processesNaming(dir)) killNow(pid);
    for (const point of mountsBelow(dir).reverse()) execFileSync("umount", ["-l", point]);
    await removeCgroups(cgroupParent);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  try {
    await restart();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    docker,
    dir,
    cgroupParent,
    get pid() {
      return running?.child.pid ?? 0;
    },
    log,
    end,
    restart,
    [Symbol.asyncDispose]: stop,
  };
}

async function untilAnswers(child: ChildProcess, docker: DockerCli, log: () => string): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { code, stderr } = await docker("version");
    if (code === 0) return;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
      throw new Error(`dockerd has ended:\n${log().slice(-3000)}`);
    if (Date.now() > deadline) throw new Error(`dockerd does not answer (${stderr}):\n${log().slice(-3000)}`);
    // There is nothing to wait on: its socket appears before it answers.
    await new Promise((done) => setTimeout(done, 50));
  }
}
