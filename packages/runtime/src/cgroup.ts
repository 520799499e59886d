// Killing what a shim should have killed: everything in a container's cgroup (cgroups(7)).
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Helper, identify, tellsEnd } from "@berth/helper";

export interface Cgroup {
  /** Directories below /sys/fs/cgroup. */
  readonly directories: readonly string[];
}

/** Hierarchies of version 1 that hold every process of a container; one is enough, two are safe. */
const CONTROLLERS = ["pids", "freezer", "memory"];

/**
 * The cgroup that a container's init is in, or null where it is not the container's own: the machine's root,
 * ours, or one that ours is below. To be read while init is alive.
 */
export function cgroupOf(pid: number): Cgroup | null {
  const theirs = readHierarchies(pid);
  const ours = readHierarchies(process.pid);
  if (theirs === null || ours === null) return null;
  const directories: string[] = [];
  for (const [name, path] of theirs) {
    const own = ours.get(name) ?? "/";
    if (path === "/" || own === path || own.startsWith(`${path}/`)) continue;
    if (name === "") directories.push(join("/sys/fs/cgroup", path), join("/sys/fs/cgroup/unified", path));
    else if (CONTROLLERS.includes(name)) directories.push(join("/sys/fs/cgroup", name, path));
  }
  return directories.length === 0 ? null : { directories };
}

/** Kills every process in the cgroup, and what they fork meanwhile. */
export async function killCgroup(helper: Helper, cgroup: Cgroup): Promise<void> {
  for (const directory of cgroup.directories) {
    try {
      // Linux 5.14: one write kills the whole tree at once.
      writeFileSync(join(directory, "cgroup.kill"), "1");
      continue;
    } catch {
      // Version 1, an older kernel, or a cgroup that is gone: one by one.
    }
    for (let round = 0; round < 10; round++) if ((await killListed(helper, directory)) === 0) break;
    thaw(directory);
  }
}

/** Whether the process or the cgroup has ended; ENODEV is a cgroup that is being removed. */
const isGone = (error: unknown): boolean =>
  tellsEnd(error) || ["ENODEV", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");

/** Version 1: what is frozen ends once it thaws (cgroup-v1/freezer-subsystem.rst). */
function thaw(directory: string): void {
  try {
    writeFileSync(join(directory, "freezer.state"), "THAWED");
  } catch {
    // Another hierarchy than the freezer's, or the cgroup is gone.
  }
}

async function killListed(helper: Helper, directory: string): Promise<number> {
  let pids: number[];
  try {
    pids = readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
  } catch (error) {
    if (isGone(error)) return 0;
    throw error;
  }
  let killed = 0;
  for (const pid of pids) {
    const identity = identify(pid);
    if (identity !== null && pid !== process.pid && (await helper.signal(identity, 9))) killed++;
  }
  return killed;
}

/** Path by controller, "" for version 2, of /proc/PID/cgroup. */
function readHierarchies(pid: number): Map<string, string> | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/cgroup`, "utf8");
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
  const paths = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^[0-9]+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    for (const name of (match[1] as string).split(",")) paths.set(name, match[2] as string);
  }
  return paths;
}
