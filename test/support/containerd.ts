// A private containerd of Debian's, with its own root, state and sockets: the original that ours is held against.
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mountState, type Supervisor, startSupervisor } from "./supervisor.ts";

export interface ContainerdOptions {
  /** More text for its config file. */
  readonly config?: string;
  /** More lines for its section `grpc`. */
  readonly grpc?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What starts it, such as `chroot DIR`; /run is the same in there. */
  readonly within?: readonly string[];
  /** Its state directory is a tmpfs, as it is below a /run that systemd has made. */
  readonly stateInMemory?: boolean;
}

/** True where Debian's containerd is installed and we may run it. */
export const hasContainerd = (): boolean => existsSync("/usr/bin/containerd") && process.getuid?.() === 0;

/** Starts containerd and waits until it answers (at most 20 s). Its directory is short: socket paths are. */
export async function startContainerd({
  config = "",
  grpc = "",
  env = {},
  within = [],
  stateInMemory = false,
}: ContainerdOptions = {}): Promise<Supervisor> {
  const dir = mkdtempSync("/run/berth-cd-");
  const address = join(dir, "c.sock");
  const root = join(dir, "root");
  const state = join(dir, "state");
  if (stateInMemory) mountState(state);
  writeFileSync(join(dir, "config.toml"), configText({ root, state, address, grpc, opt: join(dir, "opt") }) + config);
  const command = [...within, "/usr/bin/containerd", "--config", join(dir, "config.toml")];
  return await startSupervisor({ address, dir, root, state, env, command });
}

const configText = (paths: Record<"root" | "state" | "address" | "grpc" | "opt", string>): string => `
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
  ${paths.grpc}
[plugins."io.containerd.internal.v1.opt"]
  path = ${JSON.stringify(paths.opt)}
`;
