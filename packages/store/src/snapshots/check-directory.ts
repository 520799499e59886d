import { statSync } from "node:fs";
import { messageOf, unknownError } from "@berth/base";

/**
 * Throws where a directory is missing or cannot be read, of kind unknown as containerd's bare error of lstat(2) is.
 * `owner` says whose it is and what to do, and is asked only then.
 */
export function checkDirectory(path: string, owner: () => readonly [whose: string, remedy: string]): void {
  let why = "is missing";
  let cause: unknown;
  try {
    if (statSync(path).isDirectory()) return;
    why = "is not a directory";
  } catch (error) {
    cause = error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTDIR") why = "is not a directory";
    else if (code !== "ENOENT") why = `cannot be read (${messageOf(error)})`;
  }
  const [whose, remedy] = owner();
  throw unknownError(`directory ${path} of ${whose} ${why}: ${remedy}`, { cause });
}
