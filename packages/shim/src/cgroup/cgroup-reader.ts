// Reads the files of a container's cgroup.
import { isCode, lstat, readdir, readText } from "@berth/host";
import { parseMountinfo } from "../mountinfo.ts";
import { type Cgroup, locateCgroup, parseProcCgroup } from "./cgroup-path.ts";

/** The cgroup that a process is in now; null where it is gone or nothing is mounted. */
export function cgroupOfPid(pid: number): Cgroup | null {
  const paths = readCgroupFile(`/proc/${pid}`, "cgroup");
  if (paths === null) return null;
  const found = locateCgroup(parseProcCgroup(paths), parseMountinfo(readText("/proc/self/mountinfo", 64 << 20)));
  // Only what is read later is kept: a shim lives long.
  return found;
}

/** null where the file, its directory or its controller is missing, or has nothing to say. */
export function readCgroupFile(directory: string | undefined, name: string): string | null {
  if (directory === undefined) return null;
  try {
    return readText(`${directory}/${name}`);
  } catch (error) {
    if (isCode(error, "ENOENT", "ENODEV", "EOPNOTSUPP", "EINVAL", "ESRCH", "EACCES", "ENOTDIR")) return null;
    throw error;
  }
}

/** Pids in a cgroup and the cgroups below it. */
export function pidsIn(cgroup: Cgroup): number[] {
  const { devices, pids, memory, freezer } = cgroup.directories;
  const directory =
    cgroup.directories[""] !== undefined && cgroup.version === 2
      ? cgroup.directories[""]
      : (devices ?? pids ?? memory ?? freezer);
  const out: number[] = [];
  if (directory !== undefined) collect(directory, out);
  return out;
}

function collect(directory: string, out: number[]): void {
  for (const line of (readCgroupFile(directory, "cgroup.procs") ?? "").split("\n"))
    if (line !== "") out.push(Number(line));
  // Two links are its own: more are directories below it.
  if ((lstat(directory)?.nlink ?? 0) <= 2) return;
  for (const name of readdir(directory)) {
    const path = `${directory}/${name}`;
    if (lstat(path)?.kind === "directory") collect(path, out);
  }
}

/** `2MB`, `1GB`: the sizes that the kernel supports. */
export function hugePageSizes(): string[] {
  let names: string[];
  try {
    names = readdir("/sys/kernel/mm/hugepages");
  } catch (error) {
    if (isCode(error, "ENOENT")) return [];
    throw error;
  }
  return names.map((name) => {
    const kilobytes = Number.parseInt(name.slice("hugepages-".length), 10);
    if (kilobytes >= 1 << 20) return `${kilobytes >> 20}GB`;
    return kilobytes >= 1 << 10 ? `${kilobytes >> 10}MB` : `${kilobytes}KB`;
  });
}
