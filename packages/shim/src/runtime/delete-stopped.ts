// The removal of a container of the runc family that has ended, without another process for it. What `runc delete` does then
// (libcontainer, destroy) is to remove the cgroups that it has made and its own record of the container.
import { isCode, readdir, readText, removeTree, rmdir, stat } from "@berth/host";

/** A state that is longer is left to runc. */
const MOST_STATE = 1 << 20;

/** Of state.json, what decides. */
interface State {
  readonly cgroup_paths: Readonly<Record<string, string>>;
  readonly intel_rdt_path?: string;
  readonly config: {
    readonly Hooks?: { readonly poststop?: unknown } | null;
    readonly namespaces: readonly { readonly type: string; readonly path: string }[];
    readonly cgroups: { readonly Systemd: boolean };
  };
}

/** False: the runtime has to do it, or what is left of it. */
export function deleteStopped(directory: string): boolean {
  const paths = ownCgroups(directory);
  if (paths === null) return false;
  for (const path of paths) if (!removeCgroup(path)) return false;
  removeTree(directory);
  return true;
}

/** Its cgroups, where they and the record are all that there is to remove; null where that is not sure. */
function ownCgroups(directory: string): string[] | null {
  try {
    const { cgroup_paths, intel_rdt_path, config } = JSON.parse(
      readText(`${directory}/state.json`, MOST_STATE),
    ) as State;
    const isPlain =
      config.cgroups.Systemd === false &&
      !config.Hooks?.poststop &&
      !intel_rdt_path &&
      // With a PID namespace of its own, nobody in it has outlived init.
      config.namespaces.some(({ type, path }) => type === "NEWPID" && path === "");
    return isPlain ? Object.values(cgroup_paths) : null;
  } catch (error) {
    // Not there, not libcontainer's, or of a version that has other members.
    if (isCode(error, "ENOENT", "ENOTDIR", "EFBIG") || error instanceof SyntaxError || error instanceof TypeError)
      return null;
    throw error;
  }
}

/** With those that the container has made in it. False where somebody is in one of them. */
function removeCgroup(path: string): boolean {
  try {
    rmdir(path);
    return true;
  } catch (error) {
    if (isCode(error, "ENOENT")) return true;
    if (!isCode(error, "EBUSY")) return false;
  }
  const children = readdir(path)
    .map((name) => `${path}/${name}`)
    .filter((child) => stat(child)?.kind === "directory");
  if (children.length === 0 || !children.every(removeCgroup)) return false;
  try {
    rmdir(path);
    return true;
  } catch (error) {
    return isCode(error, "ENOENT");
  }
}
