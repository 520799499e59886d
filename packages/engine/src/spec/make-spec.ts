// The OCI spec of a container: the default, then what the image says, then what the caller asked for.
import { hostname as hostHostname, release } from "node:os";
import { arch as machine } from "node:process";
import { invalidArgument } from "@berth/base";
import type { ImageConfig } from "@berth/images";
import { fileMounts } from "../files/container-files.ts";
import type { OciSpec } from "../oci.ts";
import type { ContainerOptions } from "../types.ts";
import { checkAppArmor } from "./apparmor.ts";
import { capabilitySets, changeCapabilities, defaultCapabilities } from "./capabilities.ts";
import { showCgroup } from "./cgroup-mount.ts";
import { userMount, withMount } from "./container-mounts.ts";
import { defaultSpec } from "./default-spec.ts";
import { mergeEnvironment } from "./environment.ts";
import { findUser, type ReadRootFile } from "./find-user.ts";
import { heldCapabilities } from "./held-capabilities.ts";
import { hostDevices } from "./host-devices.ts";
import { checkHostname } from "./hostname.ts";
import { resolveSeccomp } from "./resolve-seccomp.ts";
import { defaultSeccomp } from "./seccomp-profile.ts";
import { parseSecurityOptions } from "./security-opt.ts";
import { parseUlimits, withDefaults } from "./ulimits.ts";

export interface SpecInput {
  readonly namespace: string;
  /** Never empty. */
  readonly id: string;
  /** For sentences. */
  readonly image: string;
  readonly config: ImageConfig["config"];
  readonly options: ContainerOptions;
  readonly read: ReadRootFile;
  /** Directory for the files that are made for the container. */
  readonly files: string;
}

/** Microseconds that a CPU quota is counted over (cpu.cfs_period_us). */
const CPU_PERIOD = 100_000;
/** Less than this no runtime can start in (runc refuses less than 6 MiB at times; docker draws the same line). */
const LEAST_MEMORY = 6 << 20;

export async function makeSpec(input: SpecInput): Promise<OciSpec> {
  const { namespace, id, config, options } = input;
  const spec = defaultSpec(namespace, id);
  const { user, home } = await findUser(options.user === "" ? config.User : options.user, input.image, input.read);
  spec.process.user = user;
  spec.process.args = commandOf(input);
  spec.process.env = mergeEnvironment([[`HOME=${home}`], config.Env, options.env], options.terminal);
  spec.process.cwd = options.cwd || config.WorkingDir || "/";
  if (!spec.process.cwd.startsWith("/"))
    throw invalidArgument(`working directory ${JSON.stringify(spec.process.cwd)} must be an absolute path`);
  spec.process.rlimits = withDefaults(parseUlimits(options.ulimits));
  if (options.terminal) spec.process.terminal = true;
  if (options.readOnly) spec.root.readonly = true;
  if (Object.keys(options.annotations).length > 0) spec.annotations = { ...options.annotations };
  setNetwork(spec, options.network);
  const shared = options.network === "host";
  spec.hostname =
    options.hostname === "" ? (shared ? hostHostname() : id.slice(0, 63)) : checkHostname(options.hostname);
  showCgroup(spec);
  const mounts = options.mounts.map(userMount);
  for (const mount of mounts) spec.mounts = withMount(spec.mounts, mount);
  spec.mounts.push(...fileMounts(input.files, mounts, options.readOnly));
  setLimits(spec, options);
  await setPrivileges(spec, options);
  return spec;
}

function commandOf({ config, options, image }: SpecInput): string[] {
  const replaced = options.entrypoint.length > 0;
  const entrypoint = replaced ? options.entrypoint : config.Entrypoint;
  // The image's arguments belong to the image's entrypoint.
  const rest = options.args.length > 0 ? options.args : replaced ? [] : config.Cmd;
  const args = [...entrypoint, ...rest];
  if (args.length === 0) throw invalidArgument(`image ${image} names no command: give one`);
  return args;
}

function setNetwork(spec: OciSpec, network: string): void {
  if (network === "" || network === "none") return;
  if (network !== "host") throw invalidArgument(`network ${JSON.stringify(network)} is not known: use host or none`);
  spec.linux.namespaces = spec.linux.namespaces.filter((namespace) => namespace.type !== "network");
}

function setLimits(spec: OciSpec, { memoryLimit, cpus, pidsLimit }: ContainerOptions): void {
  const { resources } = spec.linux;
  if (memoryLimit < 0 || (memoryLimit > 0 && memoryLimit < LEAST_MEMORY))
    throw invalidArgument(`memory limit ${memoryLimit} is too small: give at least ${LEAST_MEMORY} bytes`);
  if (memoryLimit > 0) resources.memory = { limit: memoryLimit };
  if (!Number.isFinite(cpus) || cpus < 0 || (cpus > 0 && cpus < 0.01))
    throw invalidArgument(`cpus ${cpus} is invalid: give at least 0.01`);
  if (cpus > 0) resources.cpu = { quota: Math.round(cpus * CPU_PERIOD), period: CPU_PERIOD };
  if (pidsLimit < -1) throw invalidArgument(`pids limit ${pidsLimit} is invalid: give at least 1, or -1 for no limit`);
  if (pidsLimit > 0) resources.pids = { limit: pidsLimit };
}

async function setPrivileges(spec: OciSpec, options: ContainerOptions): Promise<void> {
  const { linux, process } = spec;
  const security = parseSecurityOptions(options.securityOpt);
  const held = heldCapabilities();
  const start = options.privileged ? held : defaultCapabilities;
  const change = { add: options.capAdd, drop: options.capDrop, all: held };
  const capabilities = changeCapabilities(start, change);
  process.capabilities = capabilitySets(capabilities);
  process.noNewPrivileges = security.noNewPrivileges ?? !options.privileged;
  if (security.apparmor !== null && security.apparmor !== "unconfined")
    process.apparmorProfile = checkAppArmor(security.apparmor);
  if (security.openSystemPaths ?? options.privileged) {
    linux.maskedPaths = [];
    linux.readonlyPaths = [];
  }
  if (options.privileged) {
    linux.resources.devices = [{ allow: true, access: "rwm" }];
    linux.devices = await hostDevices();
    for (const mount of spec.mounts)
      if (mount.type === "sysfs" || mount.type === "cgroup")
        mount.options = mount.options.map((option) => (option === "ro" ? "rw" : option));
  }
  if (security.seccomp === "unconfined" || (security.seccomp === null && options.privileged)) return;
  linux.seccomp =
    security.seccomp === null
      ? defaultSeccomp(capabilities)
      : resolveSeccomp(security.seccomp, { capabilities, arch: machine, kernel: release() });
}
