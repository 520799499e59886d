import { native } from "berth:native";
import { EEXIST, ENOENT, ENOTDIR } from "./errno.ts";
import { check } from "./system-error.ts";

export interface Stat {
  readonly kind: "file" | "directory" | "symlink" | "fifo" | "socket" | "char" | "block";
  /** Permission bits, 0..0o7777. */
  readonly mode: number;
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: number;
  readonly dev: number;
  readonly rdev: number;
  readonly nlink: number;
  readonly mtimeMs: number;
}

/** inode(7): the type bits, shifted down. */
const kinds: Readonly<Record<number, Stat["kind"]>> = {
  1: "fifo",
  2: "char",
  4: "directory",
  6: "block",
  8: "file",
  10: "symlink",
  12: "socket",
};

function statAt(path: string, follow: boolean): Stat | null {
  const result = native.stat(path, follow);
  if (result === -ENOENT || result === -ENOTDIR) return null;
  const values = check(result, follow ? "stat" : "lstat", path) as readonly number[];
  const [mode = 0, size = 0, uid = 0, gid = 0, ino = 0, dev = 0, rdev = 0, nlink = 0, mtimeMs = 0] = values;
  return { kind: kinds[mode >> 12] ?? "file", mode: mode & 0o7777, size, uid, gid, ino, dev, rdev, nlink, mtimeMs };
}

/** null: nothing is there (ENOENT, ENOTDIR). */
export const stat = (path: string): Stat | null => statAt(path, true);

/** The same, of a symbolic link itself. */
export const lstat = (path: string): Stat | null => statAt(path, false);

/** Whether something is there; a symbolic link to nothing is not. */
export const exists = (path: string): boolean => stat(path) !== null;

export function mkdir(path: string, mode: number): void {
  check(native.mkdir(path, mode), "mkdir", path);
}

/** Makes the directory and those above it; what is there already keeps its mode. */
export function mkdirAll(path: string, mode: number): void {
  const missing: string[] = [];
  let at = path;
  // Up to what is there, then down again. /proc says ENOENT as well when something is made in it.
  let result = native.mkdir(at, mode);
  while (result === -ENOENT && at !== "") {
    missing.push(at);
    at = at.replace(/\/+$/, "").replace(/\/*[^/]+$/, "");
    if (at !== "") result = native.mkdir(at, mode);
  }
  for (let next: string | undefined = at; next !== undefined; next = missing.pop()) {
    if (next !== at) result = native.mkdir(next, mode);
    if (next === "" && path !== "") continue; // the root, or where we are
    const kind = result === -EEXIST ? stat(next)?.kind : undefined;
    if (kind !== "directory") check(kind === undefined ? result : -ENOTDIR, "mkdir", next);
  }
}

/** Names, without "." and "..", in no order. */
export const readdir = (path: string): string[] => check(native.readdir(path), "readdir", path);

/** With `force` a missing file is fine. */
export function unlink(path: string, options: { force?: boolean } = {}): void {
  const result = native.unlink(path);
  if (!(options.force && (result === -ENOENT || result === -ENOTDIR))) check(result, "unlink", path);
}

export function rmdir(path: string): void {
  check(native.rmdir(path), "rmdir", path);
}

/**
 * Removes a file or a directory with everything in it. Does not follow links and does not enter a mount: throws EBUSY
 * at one, having removed what came before it. A missing path is fine.
 */
export function removeTree(path: string): void {
  const result = native.removeTree(path);
  if (result !== -ENOENT && result !== -ENOTDIR) check(result, "remove", path);
}

export function rename(from: string, to: string): void {
  check(native.rename(from, to), "rename", from);
}

/** Makes `path` a link that says `target`. */
export function symlink(target: string, path: string): void {
  check(native.symlink(target, path), "symlink", path);
}

export const readlink = (path: string): string => check(native.readlink(path), "readlink", path);

export function chmod(path: string, mode: number): void {
  check(native.chmod(path, mode), "chmod", path);
}

/** The mode holds whatever the umask. */
export function mkfifo(path: string, mode: number): void {
  check(native.mkfifo(path, mode), "mkfifo", path);
}
