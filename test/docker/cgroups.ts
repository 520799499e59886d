// Cgroups of a test's own, below one directory in every hierarchy.
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/until.ts";

const root = "/sys/fs/cgroup";

/** The directory in every hierarchy, version 1 or 2, that has it. */
export const cgroupsAt = (path: string): string[] =>
  ["", ...readdirSync(root)].map((hierarchy) => join(root, hierarchy, path)).filter(existsSync);

/** Ends whatever is left in the cgroups below `path`, and removes them. */
export async function removeCgroups(path: string): Promise<void> {
  // A process that was killed is in its cgroup until it is reaped, and version 1 tells nobody.
  await until(() => {
    const folders = cgroupsAt(path).flatMap(withChildren);
    for (const folder of folders) for (const pid of processesIn(folder)) killNow(pid);
    try {
      for (const folder of folders) rmdirSync(folder);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EBUSY" && code !== "ENOENT") throw error;
      return false;
    }
  }, `the cgroups below ${path} are removed`);
}

/** The deepest first. */
function withChildren(folder: string): string[] {
  const children = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...children.flatMap(({ name }) => withChildren(join(folder, name))), folder];
}

const processesIn = (folder: string): number[] =>
  readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
