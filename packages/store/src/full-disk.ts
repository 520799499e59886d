import { resourceExhausted } from "@berth/base";

/** An error of the file system as what a client is told: a full disk or quota by its name, others as they are. */
export function fileError(error: unknown, doing: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOSPC" || code === "EDQUOT")
    return resourceExhausted(`no space left on the disk while ${doing}: free some and try again`, { cause: error });
  return error;
}
