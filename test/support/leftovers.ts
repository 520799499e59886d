// What a test may have left on the machine: processes, mounts, cgroups and files that name its own folder.
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

/** Live processes (not zombies) whose command line, or environment, names the text. */
export function processesNaming(
  text: string,
  where: "cmdline" | "environ" = "cmdline",
): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${pid}/${where}`, "utf8").replaceAll("\0", " ").trim();
      // A zombie has neither.
      if (command.includes(text)) found.push({ pid, command });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // Whose environment may not be read, such as that of an init outside of our own, is nothing that we have started.
      if (code !== "ENOENT" && code !== "ESRCH" && !(where === "environ" && code === "EACCES")) throw error;
    }
  }
  return found;
}

/** Mount points at or below the folder. */
export function mountsBelow(folder: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point === folder || point.startsWith(`${folder}/`));
}

/** Cgroup directories of this name at the top of any hierarchy, version 1 or 2, that still have a child. */
export function cgroupsOf(namespace: string): string[] {
  const found: string[] = [];
  const root = "/sys/fs/cgroup";
  for (const hierarchy of ["", ...readdirSync(root)]) {
    const folder = join(root, hierarchy, namespace);
    if (!existsSync(folder)) continue;
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) found.push(join(folder, entry.name));
  }
  return found;
}

/** Removes the cgroups of a daemon's tasks, and those of its namespaces, which nobody else does. Those in use stay. */
export function removeCgroups(state: string): void {
  const tasks = join(state, "io.containerd.runtime.v2.task");
  if (!existsSync(tasks)) return;
  const top = "/sys/fs/cgroup";
  for (const hierarchy of ["", ...readdirSync(top)])
    for (const path of [...bundlesBelow(state), ...readdirSync(tasks)]) {
      try {
        rmdirSync(join(top, hierarchy, path));
      } catch (error) {
        const { code = "" } = error as NodeJS.ErrnoException;
        if (!["ENOENT", "ENOTDIR", "EBUSY", "ENOTEMPTY"].includes(code)) throw error;
      }
    }
}

/** Bundles of tasks below a state directory. */
export function bundlesBelow(state: string): string[] {
  const tasks = join(state, "io.containerd.runtime.v2.task");
  if (!existsSync(tasks)) return [];
  return readdirSync(tasks).flatMap((namespace) =>
    readdirSync(join(tasks, namespace))
      .filter((name) => !name.startsWith("."))
      .map((name) => join(namespace, name)),
  );
}
