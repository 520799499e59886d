import { decodeName } from "@berth/base";
import { type Fd, isCode } from "@berth/host";
import { splitNames } from "./names.ts";
import { type Entry, S, tree } from "./tree.ts";

/** One entry of a tree that is compared, with what a tar member says about it. */
export interface Found {
  readonly directory: Fd;
  readonly name: string;
  readonly path: readonly string[];
  readonly entry: Entry;
  readonly link: string;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** null where there is nothing of that name. */
export function findEntry(directory: Fd, name: string, above: readonly string[]): Found | null {
  const entry = tree.stat(directory, name);
  if (entry === null) return null;
  const type = entry.mode & S.IFMT;
  return {
    directory,
    name,
    path: [...above, name],
    entry,
    link: type === S.IFLNK ? decodeName(tree.readlink(directory, name)) : "",
    xattrs: type === S.IFREG || type === S.IFDIR ? xattrsOf(directory, name) : new Map(),
  };
}

/** What belongs to an image: users' attributes and file capabilities, but not the machine's labels or overlayfs's. */
function xattrsOf(directory: Fd, name: string): Map<string, Uint8Array> {
  const values = new Map<string, Uint8Array>();
  let keys: string[];
  try {
    keys = splitNames(tree.xattrs(directory, name));
  } catch (error) {
    if (isCode(error, "EOPNOTSUPP", "ENOTSUP")) return values;
    throw error;
  }
  for (const key of keys.sort()) {
    const wanted = key === "security.capability" || (key.startsWith("user.") && !key.startsWith("user.overlay."));
    if (wanted) values.set(key, tree.xattr(directory, name, key));
  }
  return values;
}

/** Whether the later one has to be in the layer. Directories are compared by themselves, without what is in them. */
export function differs(old: Found, now: Found): boolean {
  const [a, b] = [old.entry, now.entry];
  // One inode seen through two overlays: untouched.
  if (a.ino === b.ino && a.dev === b.dev) return false;
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.major !== b.major || a.minor !== b.minor)
    return true;
  if (old.link !== now.link || !sameXattrs(old.xattrs, now.xattrs)) return true;
  const sameTime = a.mtime.seconds === b.mtime.seconds && a.mtime.nanoseconds === b.mtime.nanoseconds;
  const type = a.mode & S.IFMT;
  // Something was made or removed in it: that says so itself (containerd compares no times of directories either).
  if (type === S.IFDIR) return false;
  if (type !== S.IFREG) return !sameTime;
  if (a.size !== b.size || !sameTime) return true;
  // Whole seconds are what a tar restores: the same time then says nothing.
  if (a.mtime.nanoseconds !== 0) return false;
  using before = tree.openFile(old.directory, old.name);
  using after = tree.openFile(now.directory, now.name);
  return !tree.sameContent(before, after);
}

function sameXattrs(a: ReadonlyMap<string, Uint8Array>, b: ReadonlyMap<string, Uint8Array>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) {
    const other = b.get(key);
    if (other === undefined || other.length !== value.length || other.some((byte, at) => byte !== value[at]))
      return false;
  }
  return true;
}
