// Node has no umount2(2). A shim unmounts its rootfs itself, so umount(8) is run only after one that could not.
import { readFile } from "node:fs/promises";
import { failedPrecondition, mountsBelow } from "@berth/base";
import { runCommand } from "@berth/helper";

/** Unmounts everything at and below a directory, lazily, the last mounted first. */
export async function unmountBelow(directory: string): Promise<void> {
  // More than one may be stacked on a path; each is a line, so one round is enough unless somebody mounts more.
  for (let round = 0; round < 3; round++) {
    const paths = mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), directory).reverse();
    if (paths.length === 0) return;
    const result = await runCommand({ file: "umount", args: ["-c", "-l", "--", ...paths], timeoutMs: 10_000 });
    if (result.status !== 0 && round === 2)
      throw failedPrecondition(`what is mounted below ${directory} cannot be unmounted: ${result.stderr.toString()}`);
  }
}
