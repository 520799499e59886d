// Paths of a container's root that OCI runtimes follow as they stand, from the host, before they have changed the root.
// Targets of other mounts are resolved inside the root, whatever links they go through; so are devices and the working
// directory.
import { failedPrecondition } from "./errors.ts";

/** As many links as the kernel follows in one path (path_resolution(7)). */
const MAX_LINKS = 40;

/** runc makes the directories above these as mkdir(1) would; crun refuses a link there. */
const plainTypes: readonly unknown[] = ["proc", "sysfs", "cgroup", "cgroup2"];

/** The plain paths of an OCI spec. What is not understood is left to the runtime, which says better what is wrong. */
export function plainPaths(spec: unknown): string[] {
  const { mounts } = membersOf(spec);
  const paths = new Set<string>();
  let bound = false;
  for (const each of Array.isArray(mounts) ? mounts : []) {
    const { destination, type, options } = membersOf(each);
    if (typeof destination !== "string") continue;
    const isBind =
      type === "bind" || (Array.isArray(options) && options.some((option) => option === "bind" || option === "rbind"));
    if (isBind && partsOf(destination).join("/") === "dev") bound = true;
    if (plainTypes.includes(type)) paths.add(destination);
  }
  // Where the host's own is bound to it, runtimes leave it alone.
  return bound ? [...paths] : ["/dev", ...paths];
}

/**
 * Throws failed-precondition if a runtime would follow a link out of the root: runc 1.1 puts links into `/dev` and
 * removes its `ptmx`, by a path of the host's. `linkAt` returns what the link at a path without links above it says,
 * null if there is none.
 */
export function checkPlainPaths(paths: readonly string[], linkAt: (path: string) => string | null): void {
  for (const path of paths) {
    const out = linkOut(path, linkAt);
    if (out !== null)
      throw failedPrecondition(
        `${JSON.stringify(out.link)} in the container's root is a link to ${JSON.stringify(out.target)}, which leads out of it, and ${path} is to be set up there: replace the link by a directory`,
      );
  }
}

/** The link on the way to a path that leads out of the root. */
function linkOut(path: string, linkAt: (path: string) => string | null): { link: string; target: string } | null {
  const waiting = partsOf(path);
  const at: string[] = [];
  let last = { link: path, target: "" };
  for (let links = 0; ; ) {
    const part = waiting.shift();
    if (part === undefined) return null;
    if (part === "..") {
      // Of the path itself: cleaned away by the runtime.
      if (at.pop() === undefined && links > 0) return last;
      continue;
    }
    at.push(part);
    const link = `/${at.join("/")}`;
    const target = linkAt(link);
    if (target === null) continue;
    at.pop();
    last = { link, target };
    if (target.startsWith("/")) return last;
    // A ring leads nowhere.
    if (++links > MAX_LINKS) return null;
    waiting.unshift(...partsOf(target));
  }
}

const partsOf = (path: string): string[] => path.split("/").filter((part) => part !== "" && part !== ".");

const membersOf = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
