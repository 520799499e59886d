import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import { getSystemErrorMessage } from "node:util";
import { messageOf } from "@berth/base";

/** The system's reason alone, where the path was named already. */
export function systemReason(error: unknown): string {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? messageOf(error) : getSystemErrorMessage(errno);
}

/**
 * What to tell of an error that ends berthd. Something that lies where berth keeps a directory or a file is named with what
 * to do; all else is in its own words.
 */
export function endingSentence(error: unknown): string {
  const { code, path, dest } = error as NodeJS.ErrnoException & { dest?: string };
  if (path === undefined) return messageOf(error);
  if (code === "EISDIR") return `${dest ?? path} is a directory, where berth keeps a file: move it away`;
  if (code !== "ENOTDIR" && code !== "EEXIST") return messageOf(error);
  const obstacle = obstacleOn(path);
  return obstacle === null ? messageOf(error) : `${obstacle} is no directory, and berth keeps one there: move it away`;
}

/** The first on the way to a path, and the path itself, that is there and is no directory. */
function obstacleOn(path: string): string | null {
  const above = dirname(path);
  const found = above === path ? null : obstacleOn(above);
  if (found !== null) return found;
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && !stat.isDirectory() && !stat.isSymbolicLink() ? path : null;
}
