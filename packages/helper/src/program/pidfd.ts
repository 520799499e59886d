import { native } from "berth:native";
import { startTimeIn } from "@berth/base";
import { check, Fd, isCode, readText } from "@berth/host";

declare module "berth:native" {
  interface Native {
    /** pidfd_open(2), Linux 5.3 */
    pidfdOpen(pid: number): Result;
  }
}

export interface Target {
  readonly pid: number;
  readonly startTime: string;
}

/** A descriptor of this very process; null where it has ended. */
export function openProcess({ pid, startTime }: Target): Fd | null {
  let fd: Fd;
  try {
    fd = new Fd(check(native.pidfdOpen(pid), "pidfd_open", `process ${pid}`), `process ${pid}`);
  } catch (error) {
    if (isCode(error, "ESRCH")) return null;
    throw error;
  }
  // Read once the descriptor is open: it is of the process that has this number now.
  if (startTimeOf(pid) === startTime) return fd;
  fd.close();
  return null;
}

/** False where it has ended. */
export function signalProcess(target: Target, signal: number): boolean {
  using fd = openProcess(target);
  if (fd === null) return false;
  try {
    check(native.pidfdKill(fd.number, signal), "pidfd_send_signal", fd.what);
    return true;
  } catch (error) {
    if (isCode(error, "ESRCH")) return false;
    throw error;
  }
}

function startTimeOf(pid: number): string | null {
  try {
    return startTimeIn(readText(`/proc/${pid}/stat`));
  } catch (error) {
    if (isCode(error, "ENOENT") || isCode(error, "ESRCH")) return null;
    throw error;
  }
}
