import { posix } from "node:path";
import { invalidArgument } from "@berth/base";
import type { OciMount } from "../oci.ts";
import type { UserMount } from "../types.ts";
import { checkBindOptions, withReadOnlyBelow } from "./mount-options.ts";

/** A mount that a user asked for. Its target must be absolute, and so must what is bound. */
export function userMount(mount: UserMount): OciMount {
  const clean = (path: string) => path.startsWith("/") && !path.includes("\0");
  if (!clean(mount.destination))
    throw invalidArgument(`mount destination ${JSON.stringify(mount.destination)} must be an absolute path`);
  const destination = cleanPath(mount.destination);
  if (destination === "/") throw invalidArgument("mount destination is the container's root: give a path below it");
  const isBound = mount.options.some((option) => option === "bind" || option === "rbind");
  const type = mount.type === "" ? "bind" : mount.type;
  if (type !== "bind" && !isBound)
    return { destination, type, source: mount.source === "" ? type : mount.source, options: [...mount.options] };
  if (!clean(mount.source))
    throw invalidArgument(`mount source ${JSON.stringify(mount.source)} must be an absolute path`);
  const options = isBound ? mount.options : ["rbind", ...mount.options];
  checkBindOptions(options, destination);
  return { destination, type, source: mount.source, options: withReadOnlyBelow(options) };
}

/** The mounts with one more, in the place of one at the same destination, so that what is mounted in it stays there. */
export function withMount(mounts: readonly OciMount[], mount: OciMount): OciMount[] {
  const taken = mounts.some((other) => other.destination === mount.destination);
  return taken ? mounts.map((other) => (other.destination === mount.destination ? mount : other)) : [...mounts, mount];
}

/** Shortest equivalent of an absolute path, without a slash at its end. */
const cleanPath = (path: string): string => posix.normalize(path).replace(/(?<=.)\/+$/, "");
