import { BerthError, messageOf } from "@berth/base";
import { exists, pid, readText, writeFile } from "@berth/host";
import { parseMountinfo } from "../mountinfo.ts";

/**
 * Moves this process (and what it forks later) into a cgroup that exists already: of every v1 hierarchy that has it,
 * else of the unified one. Throws where there is none.
 */
export function joinShimCgroup(path: string): void {
  const mounts = parseMountinfo(readText("/proc/self/mountinfo", 64 << 20));
  const below = path.startsWith("/") ? path : `/${path}`;
  const find = (type: string) =>
    mounts
      .filter((mount) => mount.type === type)
      .map((mount) => `${mount.mountPoint}${below}/cgroup.procs`)
      .filter(exists);
  const v1 = find("cgroup");
  const files = v1.length > 0 ? v1 : find("cgroup2");
  if (files.length === 0) throw new BerthError("not-found", `failed to load cgroup ${path}: it does not exist`);
  try {
    for (const file of files) writeFile(file, String(pid()), { append: true });
  } catch (error) {
    throw new BerthError("unknown", `failed to join cgroup ${path}: ${messageOf(error)}`, { cause: error });
  }
}
