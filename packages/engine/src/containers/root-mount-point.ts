import { readFileSync } from "node:fs";
import { failedPrecondition, messageOf } from "@berth/base";

/** runc's (libcontainer/rootfs_linux.go, prepareRoot): it changes the propagation of "/", which only a mount point has. */
const REFUSED = /error preparing rootfs: mount \/, flags: .*: invalid argument/;

/** The error of a task that could not be made; in words of its own where a chroot without a mount at its root is the reason. */
export function explainChroot(error: unknown): unknown {
  if (!REFUSED.test(messageOf(error)) || isRootMounted(readFileSync("/proc/self/mountinfo", "utf8"))) return error;
  return failedPrecondition(
    "the container cannot be started: berthd is in a chroot whose root is no mount point, and runc needs one: " +
      "bind-mount the directory onto itself before the chroot (mount --bind DIR DIR)",
    { cause: error },
  );
}

/** By proc_pid_mountinfo(5): the fifth field is the mount point. */
const isRootMounted = (mountinfo: string): boolean => mountinfo.split("\n").some((line) => line.split(" ")[4] === "/");
