// The parts of the OCI runtime specification (config.md, config-linux.md) that specs are made from.

/** The types under which containerd's clients and shims know their JSON. */
export const ociTypes = {
  spec: "types.containerd.io/opencontainers/runtime-spec/1/Spec",
  process: "types.containerd.io/opencontainers/runtime-spec/1/Process",
} as const;

export interface OciUser {
  uid: number;
  gid: number;
  additionalGids?: number[];
}

export interface OciCapabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable?: string[];
  ambient?: string[];
}

export interface OciProcess {
  terminal?: boolean;
  user: OciUser;
  args?: string[];
  env?: string[];
  cwd: string;
  capabilities?: OciCapabilities;
  rlimits?: { type: string; hard: Integer; soft: Integer }[];
  noNewPrivileges?: boolean;
  apparmorProfile?: string;
}

export interface OciMount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

export interface OciDevice {
  path: string;
  type: string;
  major: number;
  minor: number;
  fileMode: number;
  uid: number;
  gid: number;
}

export interface OciDeviceRule {
  allow: boolean;
  type?: string;
  major?: number;
  minor?: number;
  access: string;
}

export interface OciResources {
  devices: OciDeviceRule[];
  memory?: { limit: number };
  cpu?: { quota: number; period: number };
  pids?: { limit: number };
}

/** Whole numbers of up to 64 bits are bigints beyond 2^53 (exact-json.ts). */
type Integer = number | bigint;

export interface SeccompArg {
  index: Integer;
  value: Integer;
  valueTwo?: Integer;
  op: string;
}

export interface SeccompRule {
  names: readonly string[];
  action: string;
  errnoRet?: Integer;
  args?: readonly SeccompArg[];
}

export interface OciSeccomp {
  defaultAction: string;
  defaultErrnoRet?: Integer;
  architectures?: readonly string[];
  flags?: readonly string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls: readonly SeccompRule[];
}

export interface OciLinux {
  resources: OciResources;
  cgroupsPath: string;
  namespaces: { type: string; path?: string }[];
  maskedPaths?: string[];
  readonlyPaths?: string[];
  devices?: OciDevice[];
  seccomp?: OciSeccomp;
}

export interface OciSpec {
  ociVersion: string;
  process: OciProcess;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  mounts: OciMount[];
  annotations?: Record<string, string>;
  linux: OciLinux;
}
