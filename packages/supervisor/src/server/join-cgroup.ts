// Moves this process into the cgroup of the configuration, as containerd does: the shims that it starts are born there.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { failedPrecondition, messageOf } from "@berth/base";

const TOP = "/sys/fs/cgroup";

/** Where hierarchies are mounted, by /proc/self/mountinfo: all of version 1, else the one of version 2. */
export function hierarchiesIn(mountinfo: string): string[] {
  const mounts = mountinfo.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const point = before.split(" ")[4] ?? "";
    return point === TOP || point.startsWith(`${TOP}/`) ? [{ point, type: after.split(" ")[0] }] : [];
  });
  const first = mounts.filter(({ type }) => type === "cgroup");
  // Where both are, the controllers are those of version 1, and containerd moves in that alone.
  return (first.length > 0 ? first : mounts.filter(({ type }) => type === "cgroup2")).map(({ point }) => point);
}

/** Makes the cgroup where it is missing. Throws failed-precondition that names it. */
export function joinCgroup(path: string): void {
  const below = posix.join("/", path);
  const hierarchies = hierarchiesIn(readFileSync("/proc/self/mountinfo", "utf8"));
  if (hierarchies.length === 0)
    throw failedPrecondition(
      `cgroup.path is ${path}, and no cgroups are mounted below ${TOP}: mount them, or leave it out`,
    );
  try {
    for (const hierarchy of hierarchies) {
      const directory = join(hierarchy, below);
      mkdirSync(directory, { recursive: true });
      if (hierarchy.split("/").at(-1)?.split(",").includes("cpuset")) fillCpuset(hierarchy, directory);
      writeFileSync(join(directory, "cgroup.procs"), String(process.pid));
    }
  } catch (cause) {
    throw failedPrecondition(`berthd cannot move to cgroup.path ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** A new cgroup of version 1 has no processor and no memory, and nobody may join it (cpusets.rst): it gets its parent's. */
function fillCpuset(hierarchy: string, directory: string): void {
  if (directory === hierarchy) return;
  fillCpuset(hierarchy, dirname(directory));
  for (const file of ["cpuset.cpus", "cpuset.mems"])
    if (readFileSync(join(directory, file), "utf8").trim() === "")
      writeFileSync(join(directory, file), readFileSync(join(dirname(directory), file)));
}
