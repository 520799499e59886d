// What a container gets where nobody asks for anything else: containerd's default spec, as
// `ctr oci spec` prints it, and the devices that every container may use.

import type { OciDeviceRule, OciMount, OciSpec } from "../oci.ts";
import { defaultCapabilities } from "./capabilities.ts";

export const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const mounts: readonly OciMount[] = [
  { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    type: "devpts",
    source: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
  },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
  {
    destination: "/run",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
];

const maskedPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/sys/firmware",
  "/proc/scsi",
];

const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const use = (type: string, major: number, minor?: number): OciDeviceRule => ({
  allow: true,
  type,
  major,
  ...(minor === undefined ? {} : { minor }),
  access: "rwm",
});

/** Making any node is allowed (a node is harmless without the right to open it); opening only these. */
const deviceRules: readonly OciDeviceRule[] = [
  { allow: false, access: "rwm" },
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  use("c", 1, 3), // null
  use("c", 1, 8), // random
  use("c", 1, 7), // full
  use("c", 5, 0), // tty
  use("c", 1, 5), // zero
  use("c", 1, 9), // urandom
  use("c", 5, 1), // console
  use("c", 136), // pts/*
  use("c", 5, 2), // ptmx
];

/** A spec of its own each time: the caller changes it. */
export function defaultSpec(namespace: string, id: string): OciSpec {
  const capabilities = () => [...defaultCapabilities];
  return structuredClone({
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      cwd: "/",
      capabilities: { bounding: capabilities(), effective: capabilities(), permitted: capabilities() },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs" },
    mounts: [...mounts],
    linux: {
      resources: { devices: [...deviceRules] },
      cgroupsPath: `/${namespace}/${id}`,
      namespaces: ["pid", "ipc", "uts", "mount", "network"].map((type) => ({ type })),
      maskedPaths,
      readonlyPaths,
    },
  });
}
