import { type BerthError, resourceExhausted } from "@berth/base";

const noRoom = (directory: string, cause?: unknown): BerthError =>
  resourceExhausted(`no space left on the disk of ${directory}: free some and try again`, { cause });

/** A full disk or quota by the directory's name, other errors as they are. */
export function unlessNoRoom(error: unknown, directory: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT" ? noRoom(directory, error) : error;
}
