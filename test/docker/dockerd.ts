// A private dockerd of Debian's, on any containerd: its own directories and socket, no network, no plugins.
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { daemonOf, removeLeftovers } from "../support/daemon.ts";
import { removeCgroups } from "./cgroups.ts";
import { type DockerCli, dockerCliAt } from "./cli.ts";

const dockerdPath = "/usr/sbin/dockerd";

export interface Dockerd extends AsyncDisposable {
  readonly docker: DockerCli;
  readonly dir: string;
  /** Below it are the containers' cgroups, in every hierarchy. */
  readonly cgroupParent: string;
  log(): string;
  end(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same directories and waits until it answers. */
  restart(): Promise<void>;
}

export interface DockerdOptions {
  /** Socket of the containerd to use; null lets dockerd start the `containerd` that it finds on PATH. */
  readonly containerd: string | null;
  readonly env?: Readonly<Record<string, string>>;
  /** What starts it, such as `chroot DIR`; /run is the same in there. */
  readonly within?: readonly string[];
  /** Its configuration file, `daemon.json`. */
  readonly config?: object;
}

/** Starts dockerd and waits until it answers (at most 20 s). Containers outlive it (`--live-restore`). */
export async function startDockerd(options: DockerdOptions): Promise<Dockerd> {
  const { containerd, env = {}, within = [], config = {} } = options;
  const dir = mkdtempSync("/run/berth-dk-");
  const host = `unix://${join(dir, "d.sock")}`;
  const cgroupParent = dir.slice(dir.lastIndexOf("/"));
  const configFile = join(dir, "daemon.json");
  writeFileSync(configFile, JSON.stringify(config));
  const docker = dockerCliAt(host, dir);
  const [command = "", ...args] = [
    ...[...within, dockerdPath, "--config-file", configFile, "--host", host, "--pidfile", join(dir, "pid")],
    ...["--data-root", join(dir, "root"), "--exec-root", join(dir, "exec"), "--cgroup-parent", cgroupParent],
    ...["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false"],
    ...["--storage-driver=overlay2", "--live-restore", "--debug"],
    ...(containerd === null ? [] : ["--containerd", containerd]),
  ];
  const daemon = daemonOf({ command, args, env, logFile: join(dir, "log"), answers: () => docker.ok("version") });
  const stop = async () => {
    await daemon.end("SIGTERM");
    await removeLeftovers(dir);
    await removeCgroups(cgroupParent);
  };
  try {
    await daemon.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    docker,
    dir,
    cgroupParent,
    log: daemon.log,
    end: daemon.end,
    async restart() {
      await daemon.start();
    },
    [Symbol.asyncDispose]: stop,
  };
}
