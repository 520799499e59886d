import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Kilobytes of one process (proc_pid_smaps_rollup(5)). */
export interface Memory {
  readonly rss: number;
  readonly pss: number;
  /** Private to it: what it would give back. */
  readonly uss: number;
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
  return { rss: kb("Rss"), pss: kb("Pss"), uss: kb("Private_Clean") + kb("Private_Dirty") };
}

/** Pids of the processes that run this executable with this text in their command line. */
export function processesOf(executable: string, naming: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid)) return false;
      try {
        return (
          readlinkSync(`/proc/${pid}/exe`) === executable &&
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(naming)
        );
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === "ENOENT" || code === "ESRCH" || code === "EACCES") return false;
        throw error;
      }
    });
}
