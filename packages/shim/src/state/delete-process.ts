import { messageOf, unknownError } from "@berth/base";
import { unlink } from "@berth/host";
import { TaskDelete } from "@berth/proto/containerd/events";
import { unmountAll } from "../runtime/rootfs.ts";
import { noTime, timestampOf } from "../timestamp.ts";
import type { Container } from "./container.ts";
import type { Keeper } from "./keeper.ts";
import { type Exit, exitOf, type Process } from "./process.ts";
import { advance, allow } from "./process-state.ts";

/** containerd's bound for output that nobody reads. */
const DRAIN_MS = 10_000;
/** An init that was never started ends at once when it is killed. */
const KILLED_MS = 5000;

export interface Deleted {
  readonly pid: number;
  readonly exit: Exit | null;
}

/** Removes a container that has stopped, or was never started, and tells so. */
export async function deleteInit(keeper: Keeper, container: Container): Promise<Deleted> {
  const { init, bundle } = container;
  allow("init", init.state, "delete");
  const { pid, at } = init.state;
  if (at === "stopped") await init.stdio?.drain(DRAIN_MS);
  if (pid !== 0) await (await container.runc()).delete(at === "created");
  if (at === "created" && pid !== 0) await within(KILLED_MS, init.ended);
  for (const process of container.execs.values()) await process.stdio?.close();
  await init.stdio?.close();
  container.oom?.close();
  try {
    unmountAll(bundle.rootfs);
  } catch (error) {
    throw unknownError(`failed rootfs umount: ${messageOf(error)}: unknown`, { cause: error });
  }
  // One that never ran has no exit of its own: that it was ended here is not told (containerd's shim).
  const exit = at === "created" ? null : exitOf(init);
  init.state = advance(init.state, { at: "deleted", pid, status: exit?.status ?? 0, exitedAt: exit?.at ?? 0 });
  keeper.containers.delete(container.id);
  keeper.events.publish("/tasks/delete", TaskDelete, {
    containerId: container.id,
    pid,
    exitStatus: exit?.status ?? 0,
    exitedAt: exit === null ? noTime : timestampOf(exit.at),
  });
  return { pid, exit };
}

/** Forgets an exec that has stopped or was never started. */
export async function deleteExec(container: Container, process: Process): Promise<Deleted> {
  allow("exec", process.state, "delete");
  await process.stdio?.drain(DRAIN_MS);
  await process.stdio?.close();
  const { pid } = process.state;
  const exit = exitOf(process);
  process.state = advance(process.state, { at: "deleted", pid, status: exit?.status ?? 0, exitedAt: exit?.at ?? 0 });
  container.execs.delete(process.execId);
  unlink(container.bundle.execSpec(process.execId), { force: true });
  unlink(container.bundle.execExit(process.execId), { force: true });
  return { pid, exit };
}

async function within(ms: number, event: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([
    event,
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    }),
  ]);
  clearTimeout(timer);
}
