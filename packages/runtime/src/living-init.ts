// Whether a container runs of which there is no journal, by what its runtime and its bundle have noted.
import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { identify, isAlive, type ProcessIdentity, tellsEnd } from "@berth/helper";
import type { Bundle } from "./bundle.ts";

/** Where runtimes keep their state of a container, and the fields for init's pid and start time: runc's, and crun's. */
const states = [
  ["state.json", "init_process_pid", "init_process_start"],
  ["status", "pid", "process-start-time"],
] as const;

/** The init of the bundle's container, if it runs; null: none that anybody can tell. */
export function livingInit(runcRoot: string, { namespace, id, path }: Bundle): ProcessIdentity | null {
  for (const [file, pid, startTime] of states) {
    const noted = objectIn(join(runcRoot, namespace, id, file));
    const init = { pid: Number(noted[pid]), startTime: String(noted[startTime]) };
    if (isAlive(init)) return init;
  }
  // The pid may have passed to another process, but hardly to one with a root of its own.
  const init = identify(Number(textIn(join(path, "init.pid"))));
  return init !== null && hasOwnMounts(init.pid) ? init : null;
}

function hasOwnMounts(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`) !== readlinkSync("/proc/self/ns/mnt");
  } catch (error) {
    if (tellsEnd(error)) return false;
    throw error;
  }
}

/** Empty where the file is missing or damaged. */
function objectIn(path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(textIn(path));
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** Empty where there is none. */
function textIn(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ENOTDIR", "EISDIR"].includes(code)) return "";
    throw error;
  }
}
