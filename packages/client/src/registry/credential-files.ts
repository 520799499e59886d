// Credential files on the disk.
import { type BerthError, failedPrecondition, messageOf } from "@berth/base";
import {
  credentials,
  fchown,
  isCode,
  lstat,
  mkdirAll,
  O,
  open,
  pid,
  readlink,
  readText,
  rename,
  type Stat,
  stat,
  unlink,
  writeFileAtomic,
} from "@berth/host";

/** Open to their owner alone, as docker and podman have them. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
/** As with the kernel: path_resolution(7). */
const MOST_LINKS = 40;

/** The text of a file, null if there is none. Throws failed-precondition. */
export function readExisting(path: string): string | null {
  try {
    return readText(path);
  } catch (error) {
    if (isCode(error, "ENOENT", "ENOTDIR")) return null;
    throw failed("read", error, "let this user read it, or name another directory with DOCKER_CONFIG");
  }
}

/** Replaces the file, or what a link leads to, in one step: its mode only gets stricter, and its owner stays. Throws failed-precondition. */
export function replaceFile(path: string, text: string): void {
  try {
    const target = followLinks(path);
    const old = stat(target);
    if (old !== null && old.kind !== "file") throw failedPrecondition(`${JSON.stringify(target)} is no plain file`);
    if (old === null) mkdirAll(directoryOf(target), DIRECTORY_MODE);
    const fresh = `${target}.${pid()}`;
    try {
      writeFileAtomic(fresh, text, { mode: (old?.mode ?? FILE_MODE) & FILE_MODE, sync: true });
      if (old !== null) keepOwner(fresh, old);
      rename(fresh, target);
    } catch (error) {
      unlink(fresh, { force: true });
      throw error;
    }
  } catch (error) {
    throw failed("save", error, "let this user write there, or name another directory with DOCKER_CONFIG");
  }
}

/** Root may log in for somebody else, under sudo. */
function keepOwner(path: string, { uid, gid }: Stat): void {
  if (credentials().uid !== 0) return;
  using fd = open(path, O.RDONLY);
  fchown(fd, uid, gid);
}

function followLinks(path: string): string {
  let at = path;
  for (let links = 0; links < MOST_LINKS && lstat(at)?.kind === "symlink"; links++) {
    const target = readlink(at);
    at = target.startsWith("/") ? target : `${directoryOf(at)}/${target}`;
  }
  return at;
}

const directoryOf = (path: string): string => /^.*\//.exec(path)?.[0] ?? ".";

function failed(verb: string, error: unknown, remedy: string): BerthError {
  return failedPrecondition(`cannot ${verb} credentials: ${messageOf(error)}: ${remedy}`);
}
