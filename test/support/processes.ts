// Looks at processes that a test knows by their numbers, and ends them. Any of them may have ended, and been reaped, a moment ago.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** False where there is no such process any more. A negative number is a process group. */
export function killNow(pid: number, signal: NodeJS.Signals = "SIGKILL"): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** What each descriptor of a process is, which goes on opening and closing them (proc_pid_fd(5)). */
export function filesOpenIn(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((fd) => {
    try {
      return [readlinkSync(`${directory}/${fd}`)];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  });
}

export interface KnownProcess {
  readonly pid: number;
  /** Clock ticks since boot (proc_pid_stat(5), field 22): with it a pid is one process and no other. */
  readonly startTime: string;
}

/** The children of a process, and theirs; as they are now. */
export function descendantsOf(pid: number): KnownProcess[] {
  const text = textOf(`/proc/${pid}/task/${pid}/children`).trim();
  const children = text === "" ? [] : text.split(" ").map(Number);
  return children.flatMap((child) => {
    const startTime = startOf(child);
    return startTime === "" ? [] : [{ pid: child, startTime }, ...descendantsOf(child)];
  });
}

/** SIGKILL to those that still are who they were. */
export function killThose(processes: readonly KnownProcess[]): void {
  for (const { pid, startTime } of processes) if (startOf(pid) === startTime) killNow(pid);
}

function startOf(pid: number): string {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

/** Empty of a process that has ended. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}
