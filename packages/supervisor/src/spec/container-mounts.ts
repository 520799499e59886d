import { invalidArgument } from "@berth/base";
import type { Mount } from "@berth/proto/berth/v1";
import type { OciMount } from "./oci.ts";

/** A mount that a user asked for. Its target must be absolute, and so must what is bound. */
export function userMount(mount: Mount): OciMount {
  const type = mount.type === "" ? "bind" : mount.type;
  const clean = (path: string) => path.startsWith("/") && !path.includes("\0");
  if (!clean(mount.destination))
    throw invalidArgument(`mount destination ${JSON.stringify(mount.destination)} must be an absolute path`);
  if (type === "bind" && !clean(mount.source))
    throw invalidArgument(`mount source ${JSON.stringify(mount.source)} must be an absolute path`);
  const isBind = type === "bind" && !mount.options.some((option) => option === "bind" || option === "rbind");
  return {
    destination: mount.destination,
    type,
    source: mount.source === "" ? type : mount.source,
    options: isBind ? ["rbind", ...mount.options] : [...mount.options],
  };
}

/** The mounts with one more, which takes the place of one at the same destination. */
export const withMount = (mounts: readonly OciMount[], mount: OciMount): OciMount[] => [
  ...mounts.filter((other) => other.destination !== mount.destination),
  mount,
];

/** Name resolution of the host, for containers in the host's network. */
export const hostNetworkFiles: readonly OciMount[] = ["/etc/resolv.conf", "/etc/hosts"].map((path) => ({
  destination: path,
  type: "bind",
  source: path,
  options: ["rbind", "ro"],
}));
