// From a reaped process to an exit that everyone knows of. In this order: on disk, output passed on, execs before
// init, then state, event and waiters in one step.
import { unknownError } from "@berth/base";
import { now, watchPid } from "@berth/host";
import { TaskExit } from "@berth/proto/containerd/events";
import { writeExitRecord } from "../bundle/bundle-files.ts";
import { timestampOf } from "../timestamp.ts";
import { aliveExecs, type Container } from "./container.ts";
import type { Keeper } from "./keeper.ts";
import type { Exit, Process } from "./process.ts";
import { advance } from "./process-state.ts";

/** How long an exit waits for output that lies in a pipe: a reader that has gone must not hold it back. */
const DRAIN_MS = 300;
const SIGKILL = 9;

/** Follows the process `pid`, which the runtime has just made, to its end; one that has ended already counts too. Throws where it is none of ours. */
export function followExit(keeper: Keeper, container: Container, process: Process, pid: number): void {
  const watch = watchPid(pid);
  if (watch.foreign) {
    watch.close();
    // The runtime has ended, so all that it has left behind is ours by now. This one must not even be signalled.
    throw unknownError(`the OCI runtime named process ${pid}, which is not its own: unknown`);
  }
  void watch.exited.then(({ status, at }) => reaped(keeper, container, process, pid, { status, at }));
}

function reaped(keeper: Keeper, container: Container, process: Process, pid: number, exit: Exit): void {
  process.reaped = true;
  if (process.kind === "init") container.initGone = true;
  try {
    const { bundle, id } = container;
    writeExitRecord(process.kind === "init" ? bundle.exit : bundle.execExit(process.execId), {
      sequence: ++keeper.exits,
      container: id,
      exec: process.execId,
      pid,
      status: exit.status,
      at: exit.at,
    });
  } catch (error) {
    keeper.log.error("exit record could not be written", { container: container.id, exec: process.execId, err: error });
  }
  if (process.starting) process.early = exit;
  else void settle(keeper, container, process, pid, exit);
}

/** The start is over: an exit that came meanwhile may follow the start event. */
export function startSettled(keeper: Keeper, container: Container, process: Process): void {
  process.starting = false;
  const { early } = process;
  process.early = null;
  if (early !== null) void settle(keeper, container, process, process.state.pid, early);
}

async function settle(keeper: Keeper, container: Container, process: Process, pid: number, exit: Exit): Promise<void> {
  const { log } = keeper;
  try {
    // What is frozen cannot be killed (cgroup v1), and nothing could thaw it once init is gone.
    if (process.kind === "init" && process.state.at === "paused") await (await container.runc()).resume();
    if (process.kind === "init" && !container.privatePids) await (await container.runc()).kill(SIGKILL, true);
  } catch (error) {
    log.debug("the rest of the container could not be ended", { container: container.id, err: error });
  }
  await process.stdio?.drain(DRAIN_MS);
  if (process.kind === "init")
    for (let execs = aliveExecs(container); execs.length > 0; execs = aliveExecs(container))
      await Promise.all(execs.map((exec) => exec.ended));

  container.oom?.look();
  process.state = advance(process.state, { at: "stopped", pid, status: exit.status, exitedAt: exit.at });
  keeper.events.publish("/tasks/exit", TaskExit, {
    containerId: container.id,
    id: process.kind === "init" ? container.id : process.execId,
    pid,
    exitStatus: exit.status,
    exitedAt: timestampOf(exit.at),
  });
  process.end(exit);
}

/** An exec that could not be started: its waits end. */
export const failedToStart = (process: Process): void => process.end({ status: 255, at: now() });
