// A shim unmounts its rootfs itself; this is for one that could not.
import { readFile } from "node:fs/promises";
import { failedPrecondition, messageOf, mountsBelow } from "@berth/base";
import type { Helper } from "@berth/helper";

const UNMOUNT_MS = 10_000;

/** Unmounts everything at and below a directory, lazily, the last mounted first. */
export async function unmountBelow(helper: Helper, directory: string): Promise<void> {
  // More than one may be stacked on a path; each is a line, so one round is enough unless somebody mounts more.
  for (let round = 0; round < 3; round++) {
    const paths = mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), directory).reverse();
    if (paths.length === 0) return;
    await helper.unmount(paths, UNMOUNT_MS).catch((cause: unknown) => {
      if (round < 2) return;
      throw failedPrecondition(`what is mounted below ${directory} cannot be unmounted: ${messageOf(cause)}`, {
        cause,
      });
    });
  }
}
