// An OCI runtime that is killed while it creates has made the container's cgroup and no record of it, so its
// own `delete --force` knows nothing to remove.
import { readdirSync, readFileSync, rmdirSync } from "node:fs";
import { isAbsolute, join, normalize } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Bundle } from "./bundle.ts";

const TOP = "/sys/fs/cgroup";
/** The kernel tells nobody that a cgroup has become empty of processes which are ending: look again. */
const LOOKS = 100;
const PAUSE_MS = 10;

/**
 * Removes the cgroup that the bundle's config.json names, in every hierarchy. One that is in use is left: it
 * is shared with somebody. Those of systemd (`slice:prefix:name`) are systemd's to remove.
 */
export async function removeCgroup(bundle: Bundle): Promise<void> {
  const path = cgroupsPath(bundle);
  if (path === null) return;
  const directories = [TOP, ...readdirSync(TOP).map((name) => join(TOP, name))].map((top) => join(top, path));
  for (let look = 0; look < LOOKS; look++) {
    if (directories.filter((directory) => !removed(directory)).length === 0) return;
    await pause(PAUSE_MS);
  }
}

/** The path below a hierarchy's root; null where there is none, or none that is the container's own. */
function cgroupsPath(bundle: Bundle): string | null {
  try {
    const spec = JSON.parse(readFileSync(join(bundle.path, "config.json"), "utf8")) as {
      linux?: { cgroupsPath?: unknown };
    };
    const path = spec.linux?.cgroupsPath;
    if (typeof path !== "string" || !isAbsolute(path) || path.includes(":")) return null;
    const normal = normalize(path).replace(/\/+$/, "");
    return normal === "" ? null : normal;
  } catch (error) {
    // No spec, or none that is JSON: nothing was made of it.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** True unless somebody is in the cgroup. rmdir(2) removes an empty one and no other. */
function removed(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "EBUSY";
  }
}
