import { readText } from "@berth/host";
import { type Cgroup, locateCgroup } from "./cgroup-path.ts";
import { parseMountinfo } from "./mountinfo.ts";

/** Where systemd keeps a slice: `a-b.slice` is `/a.slice/a-b.slice` (systemd.slice(5)). Other names are paths. */
export function slicePath(parent: string): string {
  if (!parent.endsWith(".slice") || parent.includes("/")) return parent.startsWith("/") ? parent : `/${parent}`;
  const parts = parent.slice(0, -".slice".length).split("-");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("-")}.slice`).join("");
}

/** The cgroup of that path in every hierarchy; null where nothing is mounted. */
export function cgroupAt(path: string): Cgroup | null {
  const mounts = parseMountinfo(readText("/proc/self/mountinfo", 64 << 20));
  const controllers = mounts
    .filter(({ type }) => type === "cgroup")
    .flatMap(({ superOptions }) => superOptions.split(","))
    .filter((option) => option !== "rw" && option !== "ro");
  return locateCgroup(Object.fromEntries(["", ...controllers].map((name) => [name, path])), mounts);
}
