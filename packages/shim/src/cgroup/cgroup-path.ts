// Which cgroup a process is in, and where that is mounted (cgroups(7)).
import type { MountEntry } from "../mountinfo.ts";

/** Paths by v1 controller; "" is the unified hierarchy. */
export type CgroupPaths = Readonly<Record<string, string>>;

/** /proc/<pid>/cgroup: `4:cpu,cpuacct:/a` and `0::/b`. */
export function parseProcCgroup(text: string): CgroupPaths {
  const out: Record<string, string> = Object.create(null);
  for (const line of text.split("\n")) {
    const first = line.indexOf(":");
    const second = line.indexOf(":", first + 1);
    if (first < 0 || second < 0) continue;
    for (const controller of line.slice(first + 1, second).split(",")) out[controller] = line.slice(second + 1);
  }
  return out;
}

export interface Cgroup {
  /** 1 also where v1 and v2 are mixed: then the controllers are v1's. */
  readonly version: 1 | 2;
  /** Directory by controller; for version 2 there is one, under "". */
  readonly directories: Readonly<Record<string, string>>;
}

/**
 * The directories of a process's cgroup. Paths in /proc are relative to the cgroup namespace, mounts may show a part
 * of the hierarchy only (a daemon inside a container): that part is cut off. null where nothing is mounted.
 */
export function locateCgroup(paths: CgroupPaths, mounts: readonly MountEntry[]): Cgroup | null {
  const directories: Record<string, string> = Object.create(null);
  let found = false;
  for (const mount of mounts) {
    if (mount.type !== "cgroup") continue;
    for (const option of mount.superOptions.split(",")) {
      const path = paths[option];
      if (path === undefined || option === "" || directories[option] !== undefined) continue;
      directories[option] = below(mount, path);
      found ||= !option.includes("=");
    }
  }
  if (found) return { version: 1, directories };
  const unified = mounts.find((mount) => mount.type === "cgroup2");
  const path = paths[""];
  if (unified === undefined || path === undefined) return null;
  return { version: 2, directories: { "": below(unified, path) } };
}

function below(mount: MountEntry, path: string): string {
  const inside = mount.root !== "/" && path.startsWith(mount.root) ? path.slice(mount.root.length) : path;
  return inside === "/" || inside === "" ? mount.mountPoint : `${mount.mountPoint}${inside}`;
}

/**
 * Where the files that take thread ids may be, by /proc/self/cgroup: the usual places only, as reading all mounts takes
 * long on a busy host. Which hierarchy of cgroup v1 does not matter.
 */
export function threadsFiles(procCgroup: string): string[] {
  const root = "/sys/fs/cgroup";
  return Object.entries(parseProcCgroup(procCgroup)).flatMap(([controller, path]) => {
    if (path.startsWith("/..")) return []; // outside of what our cgroup namespace shows (cgroup_namespaces(7))
    const below = path === "/" ? "" : path;
    if (controller !== "") return [`${root}/${controller}${below}/tasks`];
    return [`${root}${below}/cgroup.threads`, `${root}/unified${below}/cgroup.threads`];
  });
}
