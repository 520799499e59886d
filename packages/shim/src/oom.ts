import { parseKeyed } from "./cgroup-files.ts";
import type { Cgroup } from "./cgroup-path.ts";
import { readCgroupFile } from "./cgroup-reader.ts";

/** How often the kernel has killed in a cgroup for lack of memory. */
export function oomKillsOf(cgroup: Cgroup | null): bigint {
  if (cgroup === null) return 0n;
  const text =
    cgroup.version === 1
      ? readCgroupFile(cgroup.directories.memory, "memory.oom_control")
      : readCgroupFile(cgroup.directories[""], "memory.events");
  return parseKeyed(text).oom_kill ?? 0n;
}
