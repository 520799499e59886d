import { BerthError } from "@berth/base";
import { unlink } from "@berth/host";
import { TaskExecStarted, TaskStart } from "@berth/proto/containerd/events";
import { cgroupOfPid } from "../cgroup/cgroup-reader.ts";
import { followOom } from "../cgroup/oom.ts";
import { openStdio } from "../stdio/open-stdio.ts";
import type { Container } from "./container.ts";
import { readPid } from "./create-container.ts";
import { failedToStart, followExit, startSettled } from "./exits.ts";
import type { Keeper } from "./keeper.ts";
import type { Process } from "./process.ts";
import { advance, allow } from "./process-state.ts";

/** Starts init. Its exit, however early, follows the start event. */
export async function startInit(keeper: Keeper, container: Container): Promise<number> {
  const { init } = container;
  allow("init", init.state, "start");
  init.starting = true;
  try {
    const pid = container.checkpoint === "" ? init.state.pid : await restore(keeper, container);
    if (container.checkpoint === "") await (await container.runc()).start(pid);
    init.state = advance(init.state, { at: "running", pid });
    keeper.events.publish("/tasks/start", TaskStart, { containerId: container.id, pid });
    return pid;
  } finally {
    startSettled(keeper, container, init);
  }
}

async function restore(keeper: Keeper, container: Container): Promise<number> {
  const { init, bundle } = container;
  if (init.stdio === null) throw new Error("a container without stdio cannot be restored");
  await (await container.runc()).restore({
    bundle: bundle.path,
    pidFile: bundle.initPid,
    stdio: init.stdio.child,
    consoleSocket: init.stdio.consoleSocket,
    imagePath: container.checkpoint,
    workPath: container.criuWorkPath,
  });
  const pid = readPid(bundle.initPid);
  await init.stdio.launched();
  container.cgroup = cgroupOfPid(pid);
  followOom(keeper, container);
  followExit(keeper, container, init, pid);
  return pid;
}

/** Starts an exec that was registered. One that fails stays registered, as in containerd, until it is deleted. */
export async function startExec(keeper: Keeper, container: Container, process: Process): Promise<number> {
  allow("exec", process.state, "start");
  // A container that was only created can have execs; of a paused one the runtime says why not.
  if (container.initGone)
    throw new BerthError(
      "failed-precondition",
      `container ${container.id} init process is not running: failed precondition`,
    );
  const { bundle } = container;
  const pidFile = bundle.execPid(process.execId);
  process.starting = true;
  try {
    const stdio = await openStdio(keeper, container, process);
    process.stdio = stdio;
    await (await container.runc()).exec({
      bundle: bundle.path,
      pidFile,
      processFile: bundle.execSpec(process.execId),
      logFile: bundle.execLog(process.execId),
      stdio: stdio.child,
      consoleSocket: stdio.consoleSocket,
    });
    const pid = readPid(pidFile);
    followExit(keeper, container, process, pid);
    process.state = advance(process.state, { at: "running", pid });
    await stdio.launched();
    keeper.events.publish("/tasks/exec-started", TaskExecStarted, {
      containerId: container.id,
      execId: process.execId,
      pid,
    });
    return pid;
  } catch (error) {
    if (process.state.at === "created") {
      await process.stdio?.close();
      process.stdio = null;
      failedToStart(process);
    }
    throw error;
  } finally {
    unlink(pidFile, { force: true });
    startSettled(keeper, container, process);
  }
}
