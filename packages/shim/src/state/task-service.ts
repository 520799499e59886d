// containerd's task API, versions 2 and 3: one implementation for both.
import { BerthError, checkId, unknownError } from "@berth/base";
import { kill, pid as ownPid, writeFile } from "@berth/host";
import { packAny, unpackAny } from "@berth/proto";
import { TaskCheckpointed, TaskExecAdded, TaskPaused, TaskResumed } from "@berth/proto/containerd/events";
import { CheckpointOptions, ProcessDetails } from "@berth/proto/containerd/runc/v1";
import { Task } from "@berth/proto/containerd/task/v2";
import { Status } from "@berth/proto/containerd/v1/types";
import { type Registration, register, type ServiceImpl } from "@berth/rpc";
import { untilAborted } from "../abort.ts";
import { checkJson } from "../bundle/check-json.ts";
import { cgroupMoveSoon } from "../cgroup/cgroup-moves.ts";
import { pidsIn } from "../cgroup/cgroup-reader.ts";
import { killError } from "../runtime/runtime-error.ts";
import { noTime, timestampOf } from "../timestamp.ts";
import { type Container, containerNotCreated, processOf } from "./container.ts";
import type { Deleted } from "./delete-process.ts";
import { withTerminal } from "./exec-spec.ts";
import type { Keeper } from "./keeper.ts";
import { createProcess, type Exit, exitOf, type Process } from "./process.ts";
import { advance, allow } from "./process-state.ts";

const statusNumbers = {
  created: Status.CREATED,
  running: Status.RUNNING,
  paused: Status.PAUSED,
  stopped: Status.STOPPED,
  deleted: Status.STOPPED,
} as const;

export const registerTasks = (keeper: Keeper, shutdown: () => void): Registration =>
  register(Task, taskService(keeper, shutdown));

/** `shutdown` is called when the last container is gone and the daemon has asked; it returns before anything ends. */
function taskService(keeper: Keeper, shutdown: () => void): ServiceImpl<typeof Task> {
  const containerOf = (id: string): Container => {
    const container = keeper.containers.get(id);
    if (container === undefined) throw containerNotCreated();
    return container;
  };
  const exitFields = (exit: Exit | null) => ({
    exitStatus: exit?.status ?? 0,
    exitedAt: exit === null ? noTime : timestampOf(exit.at),
  });
  const deletedFields = ({ pid, exit }: Deleted) => ({ pid, ...exitFields(exit) });

  return {
    state({ id, execId }) {
      const container = containerOf(id);
      const process = processOf(container, execId);
      const { terminal, stdin, stdout, stderr, state } = process;
      return {
        id: process.kind === "init" ? id : execId,
        bundle: container.bundle.path,
        pid: state.pid,
        status: statusOf(container, process),
        stdin,
        stdout,
        stderr,
        terminal,
        execId,
        ...exitFields(exitOf(process)),
      };
    },

    async create(request) {
      const { createContainer } = await import("./create-container.ts");
      const container = await createContainer(keeper, request);
      return { pid: container.init.state.pid };
    },

    async start({ id, execId }) {
      const container = containerOf(id);
      const process = processOf(container, execId);
      const { startExec, startInit } = await import("./start-process.ts");
      const pid = await process.inTurn(() =>
        process.kind === "init" ? startInit(keeper, container) : startExec(keeper, container, process),
      );
      return { pid };
    },

    async delete({ id, execId }) {
      const container = containerOf(id);
      const process = processOf(container, execId);
      const { deleteExec, deleteInit } = await import("./delete-process.ts");
      const deleted = await process.inTurn(() =>
        process.kind === "init" ? deleteInit(keeper, container) : deleteExec(container, process),
      );
      return deletedFields(deleted);
    },

    pids({ id }) {
      const { cgroup, execs } = containerOf(id);
      const execOf = (pid: number) => [...execs.values()].find((process) => process.state.pid === pid);
      return {
        processes: (cgroup === null ? [] : pidsIn(cgroup)).map((pid) => {
          const exec = execOf(pid);
          return { pid, info: exec === undefined ? null : packAny(ProcessDetails, { execId: exec.execId }) };
        }),
      };
    },

    async pause({ id }) {
      const container = containerOf(id);
      const { init, runc } = container;
      await init.inTurn(async () => {
        allow("init", init.state, "pause");
        await (await runc()).pause();
        if (init.state.at !== "running") return; // it has ended meanwhile
        init.state = advance(init.state, { at: "paused", pid: init.state.pid });
        keeper.events.publish("/tasks/paused", TaskPaused, { containerId: id });
      });
      return {};
    },

    async resume({ id }) {
      const { init, runc } = containerOf(id);
      await init.inTurn(async () => {
        allow("init", init.state, "resume");
        await (await runc()).resume();
        if (init.state.at !== "paused") return;
        init.state = advance(init.state, { at: "running", pid: init.state.pid });
        keeper.events.publish("/tasks/resumed", TaskResumed, { containerId: id });
      });
      return {};
    },

    async checkpoint({ id, path, options }) {
      const { init, runc } = containerOf(id);
      await init.inTurn(async () => {
        allow("init", init.state, "checkpoint");
        const wanted = options === null || options.typeUrl === "" ? null : unpackAny(CheckpointOptions, options);
        if (wanted === null && options !== null && options.typeUrl !== "")
          throw unknownError(`type with url ${options.typeUrl}: not found: unknown`);
        await (await runc()).checkpoint({ imagePath: path, options: wanted });
        keeper.events.publish("/tasks/checkpointed", TaskCheckpointed, { containerId: id, checkpoint: path });
      });
      return {};
    },

    async kill({ id, execId, signal, all }) {
      const container = containerOf(id);
      const process = processOf(container, execId);
      const { kind, state } = process;
      allow(kind, state, "kill");
      if (state.pid === 0)
        // An init without a process waits for its restore: the runtime does not know it yet.
        throw kind === "init"
          ? killError("container does not exist")
          : new BerthError("failed-precondition", "process not created: failed precondition");
      if (kind === "init" && (all || state.at === "paused")) await (await container.runc()).kill(signal, all);
      else if (state.at === "stopped") throw killError("no such process");
      else sendSignal(process, signal);
      return {};
    },

    exec({ id, execId, terminal, stdin, stdout, stderr, spec }) {
      const container = containerOf(id);
      if (container.execs.has(execId)) throw new BerthError("already-exists", `id ${execId}: already exists`);
      allow("init", container.init.state, "exec");
      checkId("exec", execId);
      if (spec === null)
        throw new BerthError("invalid-argument", `exec ${JSON.stringify(execId)} has no process specification`);
      checkJson(spec.value);
      const text = withTerminal(new TextDecoder().decode(spec.value), terminal);
      writeFile(container.bundle.execSpec(execId), text, { mode: 0o600 });
      cgroupMoveSoon();
      const request = { kind: "exec", execId, terminal, stdin, stdout, stderr } as const;
      container.execs.set(execId, createProcess(request));
      keeper.events.publish("/tasks/exec-added", TaskExecAdded, { containerId: id, execId });
      return {};
    },

    resizePty({ id, execId, width, height }) {
      const process = processOf(containerOf(id), execId);
      allow(process.kind, process.state, "resize");
      process.stdio?.resize(width, height);
      return {};
    },

    closeIO({ id, execId }) {
      processOf(containerOf(id), execId).stdio?.closeStdin();
      return {};
    },

    async update({ id, resources }) {
      const { init, runc } = containerOf(id);
      await init.inTurn(async () => {
        allow("init", init.state, "update");
        const wanted = resources?.value ?? new Uint8Array(0);
        checkJson(wanted);
        await (await runc()).update(wanted);
      });
      return {};
    },

    async wait({ id, execId }, call) {
      const process = processOf(containerOf(id), execId);
      return exitFields(await untilAborted(process.ended, call.signal));
    },

    async stats({ id }) {
      const { cgroup } = containerOf(id);
      return { stats: (await import("../cgroup/stats.ts")).statsOf(cgroup) };
    },

    connect({ id }) {
      return { shimPid: ownPid(), taskPid: keeper.containers.get(id)?.init.state.pid ?? 0, version: "" };
    },

    shutdown() {
      if (keeper.containers.size > 0 || keeper.creating.size > 0 || keeper.sandbox !== null) return {};
      keeper.closing = true;
      shutdown();
      return {};
    },
  };
}

/** Execs of a paused container are paused, whatever they were: containerd's shim says so as well. */
function statusOf(container: Container, process: Process): number {
  if (container.init.state.at === "paused") return Status.PAUSED;
  return statusNumbers[process.state.at];
}

/**
 * The process is our child, so its number is its own until we reap it, and that is noted before anything else runs: no
 * other process can be hit, and no runtime needs to be asked.
 */
function sendSignal({ kind, state, reaped }: Process, signal: number): void {
  try {
    if (reaped) throw new Error("no such process");
    kill(state.pid, signal);
  } catch (error) {
    const mapped = killError(error instanceof Error ? error.message : String(error));
    if (kind === "init") throw mapped;
    throw new BerthError(mapped.kind, `exec kill error: ${mapped.message}`);
  }
}
