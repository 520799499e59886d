// Whether overlayfs does on a file system what layers and containers need of it.
import { BerthError, failedPrecondition, messageOf } from "@berth/base";
import { type Fd, mkdir, O, open, writeFile } from "@berth/host";
import type { ProbeJob } from "./job.ts";
import { openMounts } from "./mounts.ts";
import { S, tree } from "./tree.ts";

/** Throws failed-precondition with the first thing that does not work. Everything is made in the job's directory. */
export function probe({ directory, options }: ProbeJob): void {
  for (const name of ["lower", "upper", "work", "lower/replaced"]) mkdir(`${directory}/${name}`, 0o700);
  for (const name of ["changed", "removed", "replaced/file"]) writeFile(`${directory}/lower/${name}`, "below");
  const data = [...options, `workdir=${directory}/work`, `upperdir=${directory}/upper`, `lowerdir=${directory}/lower`];
  using top = openMounts([{ type: "overlay", source: "overlay", target: "", options: data }], `${directory}/merged`);
  using upper = open(`${directory}/upper`, O.RDONLY | O.DIRECTORY);
  for (const [what, works] of trials(options.includes("userxattr"))) {
    let reason = "it has had no effect";
    try {
      if (works(top, upper)) continue;
    } catch (error) {
      if (error instanceof BerthError) throw error;
      reason = messageOf(error);
    }
    throw failedPrecondition(`overlayfs cannot ${what}: ${reason}`);
  }
}

type Trial = readonly [what: string, works: (top: Fd, upper: Fd) => boolean];

const trials = (userxattr: boolean): readonly Trial[] => [
  [
    "make a file",
    (top, upper) => {
      tree.create(top, "made").close();
      return tree.stat(upper, "made") !== null;
    },
  ],
  [
    "hide a file of a lower layer",
    (top, upper) => {
      tree.remove(top, "removed");
      const whiteout = tree.stat(upper, "removed");
      return tree.stat(top, "removed") === null && whiteout !== null && (whiteout.mode & S.IFMT) === S.IFCHR;
    },
  ],
  [
    "copy a file up",
    (top, upper) => {
      tree.setAttributes(top, "changed", UNCHANGED, UNCHANGED, 0o600);
      return tree.stat(upper, "changed")?.size === "below".length;
    },
  ],
  [
    "hide a directory of a lower layer behind a new one (an extended attribute says so)",
    (top, upper) => {
      tree.remove(top, "replaced");
      tree.mkdir(top, "replaced", 0o700);
      using replaced = tree.openDirectory(top, "replaced");
      const mark = tree.xattr(upper, "replaced", `${userxattr ? "user" : "trusted"}.overlay.opaque`);
      return tree.stat(replaced, "file") === null && mark.length > 0;
    },
  ],
];

/** (uid_t)-1: chown(2) leaves the owner as it is. */
const UNCHANGED = 0xffffffff;
