import { native } from "berth:native";

/** Where a shell looks when PATH is not set (execvp(3) looks in fewer places; runtimes live in sbin). */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Where PATH says that a program may be. Folders that are not absolute do not count, as with Go: they are the caller's. */
export const onPath = (name: string): string[] =>
  (native.env("PATH") ?? DEFAULT_PATH)
    .split(":")
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => `${folder}/${name}`);

/** The program on PATH of this name, which has no slash; null where there is none. */
export const findProgram = (name: string): string | null => onPath(name).find(isProgram) ?? null;

/** A file that somebody may execute (inode(7)); what cannot be looked at is none. */
export function isProgram(path: string): boolean {
  const found = native.stat(path, true);
  if (typeof found === "number") return false;
  const [mode = 0] = found;
  return mode >> 12 === 8 && (mode & 0o111) !== 0;
}
