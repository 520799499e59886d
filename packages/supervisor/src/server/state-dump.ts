import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "@berth/base";
import type { Runtime } from "@berth/runtime";
import type { Store } from "@berth/store";

/** Writes what this process holds to `<state>/berthd-dump.json`, for people who look for a fault. */
export async function dumpState(directory: string, store: Store, runtime: Runtime, log: Log): Promise<void> {
  const path = join(directory, "berthd-dump.json");
  const namespaces = await Promise.all(
    store.namespaces.list().map(async ({ name }) => {
      const { tasks, undecided } = await runtime.tasks.list(name);
      return {
        name,
        containers: store.containers.list({ namespace: name, lease: "" }, []).length,
        tasks: tasks.map(({ id, pid, shim, shimPid, bundle }) => ({ id, pid, shim, shimPid, bundle })),
        undecided,
      };
    }),
  );
  const shims = namespaces.flatMap(({ tasks }) => tasks.map(({ shimPid }) => shimPid)).filter((pid) => pid !== 0);
  const dump = {
    at: new Date(),
    pid: process.pid,
    uptimeSeconds: process.uptime(),
    memory: process.memoryUsage(),
    resources: process.getActiveResourcesInfo(),
    processes: await usageOf([process.pid, ...shims]),
    namespaces,
  };
  await writeFile(path, `${JSON.stringify(dump, null, 2)}\n`, { mode: 0o600 });
  log.info("wrote what this process holds", { path });
}

/** Milliseconds that pidusage keeps a descriptor of each of them. */
const KEPT_MS = 1_000;

/** Resident bytes, and milliseconds of processor time and of life, of each process that is still there. */
async function usageOf(pids: readonly number[]): Promise<object[]> {
  // Nobody needs it before somebody asks.
  const { default: pidusage } = await import("pidusage");
  return Object.values(await pidusage([...new Set(pids)], { maxage: KEPT_MS }))
    .filter((usage) => usage !== null)
    .map(({ pid, memory, ctime, elapsed }) => ({ pid, memory, processorMs: ctime, elapsedMs: elapsed }));
}
