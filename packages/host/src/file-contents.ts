import { native } from "berth:native";
import { fsync, O, open } from "./descriptors.ts";
import type { Fd } from "./fd.ts";
import { check } from "./system-error.ts";

const DEFAULT_LIMIT = 4 << 20;

/** The whole file. Throws EFBIG where it is longer than `limit` bytes (default 4 MiB). */
export function readFile(path: string, limit = DEFAULT_LIMIT): Uint8Array {
  using fd = open(path, O.RDONLY);
  return check(native.readAll(fd.number, limit), "read", path);
}

/** The whole file as UTF-8 (a byte order mark is kept, what is not UTF-8 becomes U+FFFD). */
export function readText(path: string, limit = DEFAULT_LIMIT): string {
  return native.decodeUtf8(readFile(path, limit), false) ?? "";
}

/** The same of an open file, from its beginning, whatever was read before. */
export function readTextAgain(fd: Fd, limit = DEFAULT_LIMIT): string {
  check(native.rewind(fd.number), "lseek", fd.what);
  return native.decodeUtf8(check(native.readAll(fd.number, limit), "read", fd.what), false) ?? "";
}

/** Writes the file in place. `mode` (default 0o666, under the umask) is for a file that is created. */
export function writeFile(
  path: string,
  data: Uint8Array | string,
  options: { mode?: number; append?: boolean; exclusive?: boolean } = {},
): void {
  const flags = O.WRONLY | O.CREAT | (options.append ? O.APPEND : O.TRUNC) | (options.exclusive ? O.EXCL : 0);
  using fd = open(path, flags, options.mode ?? 0o666);
  check(native.writeAll(fd.number, data), "write", path);
}

/**
 * Writes a temporary file beside the path and renames it over: readers see the old contents or the new, never a part.
 * One process writes one at a time, for this does not wait. `mode` is set whatever the umask (default 0o644). With `sync` the file and its directory are on disk on return.
 */
export function writeFileAtomic(
  path: string,
  data: Uint8Array | string,
  options: { mode?: number; sync?: boolean } = {},
): void {
  const slash = path.lastIndexOf("/");
  const folder = slash < 0 ? "." : path.slice(0, slash + 1);
  const temporary = `${slash < 0 ? "" : folder}.${path.slice(slash + 1)}.${native.pid()}.tmp`;
  using fd = open(temporary, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600);
  try {
    check(native.writeAll(fd.number, data), "write", temporary);
    check(native.fchmod(fd.number, options.mode ?? 0o644), "fchmod", temporary);
    if (options.sync) fsync(fd);
    check(native.rename(temporary, path), "rename", path);
  } catch (error) {
    native.unlink(temporary);
    throw error;
  }
  if (!options.sync) return;
  using directory = open(folder, O.RDONLY | O.DIRECTORY);
  fsync(directory);
}
