// Where the logs of containers are kept, and what a shim is told so that it writes one.
import { realpathSync } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { CURRENT } from "./log-files.ts";
import type { LogLimits } from "./log-limits.ts";
import type { LogPlace } from "./read-log.ts";

/** `logs` is the directory of all; ids and namespaces are names without a slash. */
export const logPlace = (logs: string, namespace: string, id: string): LogPlace => ({
  directory: join(logs, namespace, id),
  bare: join(logs, namespace, `${id}.log`),
});

/** Path of the file that is written to, or was last; null: there is no log. */
export async function pathOfLog({ directory, bare }: LogPlace): Promise<string | null> {
  if (await isThere(directory)) return join(directory, CURRENT);
  return (await isThere(bare)) ? bare : null;
}

export async function removeLog({ directory, bare }: LogPlace): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await rm(bare, { force: true });
}

/** Makes the log's directory, private; returns what Create is to say as stdout. */
export async function prepareLog({ directory }: LogPlace, limits: LogLimits, shims: LogShims): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, CURRENT);
  const values = { "max-size": `${limits.maxBytes}`, "max-file": `${limits.maxFiles}` };
  if (isOurs(shims.shim)) return `berth-log://${encodePath(path)}?${new URLSearchParams(values)}`;
  // Another shim starts ours as its logging program. Go passes the pairs in no order, so each is a flag with its value.
  const flags = Object.entries({ log: path, ...values }).map(([name, value]) => [`-${name}`, value]);
  return `binary://${encodePath(shims.own)}?${new URLSearchParams(flags)}`;
}

export interface LogShims {
  /** Path of the shim that runs the container. */
  readonly shim: string;
  /** Path of berth's own. */
  readonly own: string;
}

/** Whether the shim knows `berth-log://`. In the place of another shim it goes by that one's name. */
function isOurs(shim: string): boolean {
  return basename(realpathSync(shim)) === "containerd-shim-berth-v2";
}

const encodePath = (path: string): string => path.split("/").map(encodeURIComponent).join("/");

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );
