import { checkPlainPaths } from "@berth/base";
import { lstat, readlink } from "@berth/host";

/** Throws failed-precondition if the runtime would follow a link out of the root, to change what is there. */
export const checkRootLinks = (root: string, paths: readonly string[]): void =>
  checkPlainPaths(paths, (path) => {
    const place = root + path;
    return lstat(place)?.kind === "symlink" ? readlink(place) : null;
  });
