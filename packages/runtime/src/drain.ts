// Reads a process's outputs when its client has gone, or the container would wait for a reader for ever. Another program
// does it, which outlives us and holds `alive` while it reads.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { openAlive, openReading } from "./client-fifos.ts";

/** Reads descriptors 3 and 4 to their end, and ends with 0 then. */
export interface DrainCommand {
  readonly file: string;
  readonly args: readonly string[];
}

/** Resolves at the program's end: true where there is nothing more to read, false where the program has failed. */
export async function drainOutputs(directory: string, command: DrainCommand): Promise<boolean> {
  const child = start(directory, command);
  if (child === null) return true;
  child.unref();
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code === 0));
  });
}

/** Null where the directory has gone. */
function start(directory: string, { file, args }: DrainCommand): ChildProcess | null {
  const opened: number[] = [];
  const own = (fd: number | null): number | null => {
    if (fd !== null) opened.push(fd);
    return fd;
  };
  try {
    const nothing = own(openSync("/dev/null", constants.O_RDWR)) as number;
    const out = own(openReading(directory, "stdout"));
    const err = own(openReading(directory, "stderr"));
    const alive = own(openAlive(directory));
    if (alive === null) return null;
    return spawn(file, args, {
      cwd: "/",
      detached: true,
      stdio: [nothing, nothing, nothing, out ?? nothing, err ?? nothing, nothing, alive],
    });
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
