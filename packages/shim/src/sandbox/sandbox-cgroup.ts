import { readText } from "@berth/host";
import { type Cgroup, locateCgroup } from "../cgroup/cgroup-path.ts";
import { parseMountinfo } from "../mountinfo.ts";

/** The cgroup of that path in every hierarchy; null where nothing is mounted. */
export function cgroupAt(path: string): Cgroup | null {
  const mounts = parseMountinfo(readText("/proc/self/mountinfo", 64 << 20));
  const controllers = mounts
    .filter(({ type }) => type === "cgroup")
    .flatMap(({ superOptions }) => superOptions.split(","))
    .filter((option) => option !== "rw" && option !== "ro");
  return locateCgroup(Object.fromEntries(["", ...controllers].map((name) => [name, path])), mounts);
}
