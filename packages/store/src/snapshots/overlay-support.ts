import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { kindOf, messageOf } from "@berth/base";
import type { Core } from "../core.ts";
import { isNoSpace } from "../full-disk.ts";
import { run } from "../run.ts";

export interface OverlaySupport {
  readonly works: boolean;
  /** In a user namespace overlayfs keeps its marks in user.* attributes (Linux 5.11). */
  readonly userxattr: boolean;
}

const SCRIPT = `set -e
cd "$1"
mkdir lower1 lower2 upper work merged
mount -t overlay overlay -o "lowerdir=lower2:lower1,upperdir=upper,workdir=work" merged
touch merged/works
umount merged`;

/**
 * Whether overlayfs works on the root's filesystem: tried once for a kernel and a filesystem, in a child with
 * a mount namespace of its own, so that no mount can stay in the host's.
 */
export async function overlaySupport({ db, log, root }: Core): Promise<OverlaySupport> {
  const userxattr = !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
  const key = "overlay";
  const asked = `${release()} ${statSync(root).dev} ${userxattr}`;
  const cached = db.get<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)?.value;
  if (cached?.startsWith(`${asked} `)) return { works: cached.endsWith(" yes"), userxattr };
  let directory = "";
  let works = true;
  try {
    directory = mkdtempSync(join(root, "overlay-probe-"));
    await run("unshare", ["-m", "sh", "-c", SCRIPT, "probe", directory], root, "trying overlayfs");
  } catch (error) {
    // A full disk says nothing about overlayfs, and another kernel seldom does: what was known last is used.
    if (isNoSpace(error) || kindOf(error) === "resource-exhausted")
      return { works: cached?.endsWith(" no") !== true, userxattr };
    works = false;
    log.warn("overlayfs does not work on the root's filesystem: only the native snapshotter is there", {
      path: root,
      err: messageOf(error),
    });
  } finally {
    if (directory !== "") rmSync(directory, { recursive: true, force: true });
  }
  const answer = `${asked} ${works ? "yes" : "no"}`;
  db.transaction(() => db.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, answer), "frees");
  return { works, userxattr };
}
