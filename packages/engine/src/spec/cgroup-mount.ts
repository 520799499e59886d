// What a container sees of its cgroup, to read its limits: a runtime shows it its own part of the hierarchy.
import { statfsSync } from "node:fs";
import type { OciMount, OciSpec } from "../oci.ts";

const TOP = "/sys/fs/cgroup";
/** statfs(2) */
const TMPFS_MAGIC = 0x01021994;
const CGROUP2_SUPER_MAGIC = 0x63677270;

/** 1 also where v1 and v2 are mixed; null: no cgroups where everybody looks for them. */
function cgroupVersion(): 1 | 2 | null {
  try {
    const { type } = statfsSync(TOP);
    return type === CGROUP2_SUPER_MAGIC ? 2 : type === TMPFS_MAGIC ? 1 : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

const mount: OciMount = {
  destination: TOP,
  type: "cgroup",
  source: "cgroup",
  options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
};

/**
 * Shows the container its cgroup, read-only. With version 2 it has a cgroup namespace, so that its own cgroup is the
 * root of what it sees; with version 1 runtimes bind the container's directory of each hierarchy, and programs find it
 * by the path that the host has for it.
 */
export function showCgroup(spec: OciSpec, version: 1 | 2 | null = cgroupVersion()): void {
  if (version === null) return;
  const sys = spec.mounts.findIndex(({ destination }) => destination === "/sys");
  spec.mounts.splice(sys + 1, 0, { ...mount, options: [...mount.options] });
  if (version === 2) spec.linux.namespaces.push({ type: "cgroup" });
}
