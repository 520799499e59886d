// A private berthd, as built, with its own root, state and sockets.
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { mountState, type Supervisor, startSupervisor } from "./supervisor.ts";

const top = resolve(import.meta.dirname, "../..");

/** What the build makes. */
export const berthdPath = join(top, "dist/bin/berthd");
export const ownShim = join(top, "dist/bin/containerd-shim-berth-v2");
export const goShim = "/usr/bin/containerd-shim-runc-v2";

export interface BerthdOptions {
  /** Path of the shim that serves io.containerd.runc.v2. Default: berth's own. */
  readonly shim?: string;
  /** More text for its config file. */
  readonly config?: string;
  /** More lines for its section `grpc`. */
  readonly grpc?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Launcher to start. Default: the built one. */
  readonly program?: string;
  /** What starts it, such as `unshare -m`; /run is the same in there. */
  readonly within?: readonly string[];
  /** Its state directory is a tmpfs, as it is below a /run that systemd has made. */
  readonly stateInMemory?: boolean;
}

/** Starts berthd and waits until it answers. Its directory is short: socket paths are. */
export async function startBerthd(options: BerthdOptions = {}): Promise<Supervisor> {
  const { shim = "", config = "", grpc = "", env = {}, program = berthdPath, within = [] } = options;
  if (!existsSync(program)) throw new Error(`${program} is not built: run npm run build`);
  const dir = mkdtempSync("/run/berth-bd-");
  const address = join(dir, "b.sock");
  const root = join(dir, "root");
  const state = join(dir, "state");
  if (options.stateInMemory) mountState(state);
  // Of what is not here no test asks another machine: whatever registry it is from, nobody answers for it.
  const nowhere = join(dir, "hosts/_default");
  mkdirSync(nowhere, { recursive: true });
  writeFileSync(join(nowhere, "hosts.toml"), 'server = "http://127.0.0.1:1"\n');
  const registries = config.includes(".registry]")
    ? ""
    : `[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = ${JSON.stringify(join(dir, "hosts"))}\n`;
  const configFile = join(dir, "config.toml");
  writeFileSync(
    configFile,
    `version = 2
root = ${JSON.stringify(root)}
state = ${JSON.stringify(state)}
[grpc]
address = ${JSON.stringify(address)}
${grpc}
[debug]
level = "debug"
[plugins."io.containerd.runtime.v2.task"]
default_shim = ${JSON.stringify(shim)}
${registries}${config}`,
  );
  return await startSupervisor({
    address,
    dir,
    root,
    state,
    env,
    command: [...within, program, "--config", configFile],
  });
}
