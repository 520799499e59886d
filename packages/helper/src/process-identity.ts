// A pid alone may have passed to another process; with its start time it names one process for one boot.
import { readFileSync } from "node:fs";
import { startTimeIn } from "@berth/base";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, as in proc_pid_stat(5) field 22. */
  readonly startTime: string;
}

/** Whether a file in /proc cannot be read because its process has ended, and not for want of descriptors, say. */
export function tellsEnd(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ESRCH";
}

/** Who has this pid now; null for nobody, and for a zombie, which is over. Throws where that cannot be found out. */
export function identify(pid: number): ProcessIdentity | null {
  if (!Number.isSafeInteger(pid) || pid <= 1) return null;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    if (tellsEnd(error)) return null;
    throw error;
  }
  const startTime = startTimeIn(stat);
  return startTime === null ? null : { pid, startTime };
}

/** A process that may be over by now: it keeps its pid, and is nobody who lives. */
export const identityOf = (pid: number): ProcessIdentity | null =>
  pid > 0 ? (identify(pid) ?? { pid, startTime: "" }) : null;

export const isAlive = (process: ProcessIdentity): boolean => identify(process.pid)?.startTime === process.startTime;

/** True where a signal was sent. In the moment between the look and the kill, the number may pass to another process. */
export function signalByNumber(target: ProcessIdentity, signal: number): boolean {
  if (!isAlive(target)) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
