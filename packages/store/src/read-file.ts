import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
} from "node:fs";
import { join } from "node:path";
import { failedPrecondition, invalidArgument, resourceExhausted } from "@berth/base";

/** As many symbolic links as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

/** A place in a layered tree: the directories that are merged there, topmost first. */
type Place = readonly string[];

/** Opens a name without opening what it is for: a fifo is not waited for, a device not touched (open(2), O_PATH). */
const O_PATH = 0o10000000;

/** At a container's root these are mounts, with other things in them than the image has. */
const MOUNTED = new Set(["dev", "proc", "sys"]);

/**
 * Reads a regular file of a snapshot from its directories (topmost first, as `Snapshotter.directories` gives them),
 * without a mount. Null if missing, or a directory. Links, absolute ones too, are followed inside the layered root only;
 * `..` stops at it. Throws resource-exhausted above `limit` bytes, and invalid-argument for a fifo, a socket, a device
 * and a link to where devices are: a runtime that reads the file in the container would never come to its end.
 *
 * Whiteouts (a character device 0:0, or the user.overlay kind that Node cannot see) hide what is below. Whether a
 * directory is opaque stands in an attribute (trusted.overlay.opaque) that Node cannot read. It is taken for
 * transparent, so that a file can be found that a mount would hide; never one that is not part of the image. For
 * files that are looked up by name (/etc/passwd) that matters only where a layer replaced the whole directory.
 *
 * Names are resolved one by one, and a container may change them meanwhile: what was opened is looked at again.
 */
export function readFileInSnapshot(directories: readonly string[], path: string, limit: number): Uint8Array | null {
  const file = resolve(directories, path);
  if (file === null) return null;
  using place = closing(openSync(file, O_PATH | constants.O_NOFOLLOW));
  const stat = fstatSync(place.fd);
  if (!stat.isFile()) throw invalidArgument(`${path} is ${kindOf(stat)}, not a file`);
  const self = `/proc/self/fd/${place.fd}`;
  const where = readlinkSync(self);
  if (!directories.some((directory) => existsSync(directory) && where.startsWith(`${realpathSync(directory)}/`)))
    throw failedPrecondition(`${path} was moved while it was read: try again`);
  if (stat.size > limit)
    throw resourceExhausted(`${path} has ${stat.size} bytes, more than the ${limit} that are read of such a file`);
  using opened = closing(openSync(self, constants.O_RDONLY));
  const buffer = new Uint8Array(stat.size);
  let size = 0;
  while (size < buffer.length) {
    const count = readSync(opened.fd, buffer, size, buffer.length - size, size);
    if (count === 0) break;
    size += count;
  }
  return buffer.subarray(0, size);
}

const closing = (fd: number): { readonly fd: number } & Disposable => ({ fd, [Symbol.dispose]: () => closeSync(fd) });

function kindOf(stat: Stats): string {
  if (stat.isFIFO()) return "a fifo";
  if (stat.isSocket()) return "a socket";
  return stat.isSymbolicLink() ? "a link by now" : "a device";
}

/** What the symbolic link at a path of a snapshot says; null if there is none. Links above it are not followed. */
export function readLinkInSnapshot(directories: readonly string[], path: string): string | null {
  let place: Place = directories;
  let isLink = false;
  for (const part of partsOf(path)) {
    const found = lookup(place, part);
    if (found === null) return null;
    place = found.place;
    isLink = found.stat.isSymbolicLink();
  }
  const [top] = place;
  return isLink && top !== undefined ? readlinkSync(top) : null;
}

/** The path on the host of what the path leads to, unless that is a directory. */
function resolve(root: Place, path: string): string | null {
  if (path.includes("\0")) throw invalidArgument(`path ${JSON.stringify(path)} has a zero byte`);
  const waiting = partsOf(path);
  /** Where we are, and the way back to the root. */
  let trail: Place[] = [root];
  let links = 0;
  for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
    if (part === "..") {
      if (trail.length > 1) trail = trail.slice(0, -1);
      continue;
    }
    if (links > 0 && trail.length === 1 && MOUNTED.has(part))
      throw invalidArgument(`${path} is a link to /${[part, ...waiting].join("/")}, not a file`);
    const found = lookup(trail.at(-1) ?? root, part);
    if (found === null) return null;
    const [top] = found.place;
    if (top === undefined) return null;
    if (found.stat.isSymbolicLink()) {
      if (++links > MAX_LINKS) return null;
      const target = readlinkSync(top);
      if (target.startsWith("/")) trail = [root];
      waiting.unshift(...partsOf(target));
    } else if (found.stat.isDirectory()) {
      trail = [...trail, found.place];
    } else {
      return waiting.length === 0 ? top : null;
    }
  }
  return null;
}

const partsOf = (path: string): string[] => path.split("/").filter((part) => part !== "" && part !== ".");

/** What the name means in a merged directory; null if it is missing or whited out. */
function lookup(place: Place, name: string): { stat: Stats; place: Place } | null {
  let top: Stats | null = null;
  const merged: string[] = [];
  for (const directory of place) {
    const path = join(directory, name);
    const stat = statOf(path);
    if (stat === null) continue;
    if (isWhiteout(stat)) break;
    if (!stat.isDirectory()) {
      // A file ends the merge: it is what is seen, or it is hidden by a directory above.
      if (top === null) return { stat, place: [path] };
      break;
    }
    top ??= stat;
    merged.push(path);
  }
  return top === null ? null : { stat: top, place: merged };
}

function statOf(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return null;
    throw error;
  }
}

const isWhiteout = (stat: Stats): boolean => stat.isCharacterDevice() && stat.rdev === 0;
