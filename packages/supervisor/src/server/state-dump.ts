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
        tasks: tasks.map(({ id, pid, shim, bundle }) => ({ id, pid, shim, bundle })),
        undecided,
      };
    }),
  );
  const dump = {
    at: new Date(),
    pid: process.pid,
    uptimeSeconds: process.uptime(),
    memory: process.memoryUsage(),
    resources: process.getActiveResourcesInfo(),
    namespaces,
  };
  await writeFile(path, `${JSON.stringify(dump, null, 2)}\n`, { mode: 0o600 });
  log.info("wrote what this process holds", { path });
}
