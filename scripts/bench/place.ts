// Where a benchmark's containers are: in a namespace and a cgroup of its own, gone with it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const hierarchies = "/sys/fs/cgroup";
const PATIENCE_MS = 5000;

export interface Place extends AsyncDisposable {
  /** Of the namespace and of the cgroup. */
  readonly name: string;
  /** Before a daemon's command: starts it in the cgroup, and with it its shims and their runtimes. */
  readonly within: readonly string[];
  /** Milliseconds of processor time that all that ran in the cgroup has taken: containers, and daemons started in it. */
  processorMs(): number;
}

let count = 0;

export function makePlace(): Place {
  const name = `berth-bench-${process.pid}-${count++}`;
  const version1 = join(hierarchies, "cpuacct");
  const folder = join(existsSync(version1) ? version1 : hierarchies, name);
  const daemons = join(folder, "daemons");
  mkdirSync(daemons, { recursive: true });
  return {
    name,
    within: ["sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, daemons],
    processorMs() {
      if (existsSync(version1)) return Number(readFileSync(join(folder, "cpuacct.usage"), "utf8")) / 1e6;
      return Number(/^usage_usec (\d+)/m.exec(readFileSync(join(folder, "cpu.stat"), "utf8"))?.[1]) / 1e3;
    },
    async [Symbol.asyncDispose]() {
      for (const hierarchy of ["", ...readdirSync(hierarchies)]) await removeCgroup(join(hierarchies, hierarchy, name));
      // The runtimes' own records of containers that were killed with their shims.
      rmSync(join("/run/containerd/runc", name), { recursive: true, force: true });
    },
  };
}

/** With all that lives in it. */
async function removeCgroup(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await removeCgroup(join(folder, entry.name));
  for (const deadline = Date.now() + PATIENCE_MS; ; ) {
    for (const pid of readFileSync(join(folder, "cgroup.procs"), "utf8").trim().split("\n").map(Number))
      if (pid > 0) killIfThere(pid);
    try {
      rmdirSync(folder);
      return;
    } catch (error) {
      // Processes that were killed are there until they have been reaped.
      if ((error as NodeJS.ErrnoException).code !== "EBUSY" || Date.now() > deadline) throw error;
    }
    await sleep(10);
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
