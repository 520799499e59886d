// A runtime whose containers are records: tasks come, run and end as the test says. It passes the real one's contract
// (contract.ts).
import {
  alreadyExists,
  BerthError,
  canceled,
  failedPrecondition,
  notFound,
  silent,
  systemClock,
  unknownError,
} from "@berth/base";
import { packAny, topics, toTimestamp } from "@berth/proto";
import { TaskExit } from "@berth/proto/containerd/events";
import { RuntimeInfo } from "@berth/proto/containerd/types";
import {
  type CreateTask,
  createExchange,
  type Exit,
  type ProcessState,
  type Runtime,
  type StopTask,
  type Task,
  type TaskExited,
} from "../src/index.ts";

export interface FakeTask extends Task {
  /** What created it. */
  readonly created: CreateTask;
  /** The specs of its execs, in the order of their making. */
  readonly execs: string[];
  /** Those that its first process was sent. */
  readonly signals: number[];
  /** A process ends: the first one, or an exec. */
  end(status: number, execId?: string): void;
}

export interface FakeRuntime extends Runtime {
  task(namespace: string, id: string): FakeTask;
  /** Calls wait for it. */
  reconnected: Promise<void>;
  /** Containers of which nothing is known yet. */
  readonly undecided: { namespace: string; id: string }[];
}

const SIGKILL = 9;

export function fakeRuntime(): FakeRuntime {
  const all = new Map<string, FakeTask>();
  const events = createExchange({ clock: systemClock, log: silent });
  const listeners = new Set<(exited: TaskExited) => void>();
  const undecided: FakeRuntime["undecided"] = [];
  let lastPid = 1000;
  const get = (namespace: string, id: string): FakeTask => {
    const task = all.get(`${namespace}/${id}`);
    if (task === undefined) throw notFound("task", id);
    return task;
  };
  const tell = (namespace: string, id: string, execId: string, { pid, status, at }: Exit) => {
    const exit = { containerId: id, id: execId || id, pid, exitStatus: status, exitedAt: toTimestamp(at) };
    events.publish(namespace, topics.taskExit, packAny(TaskExit, exit));
    queueMicrotask(() => {
      for (const listener of listeners) listener({ namespace, id, execId });
    });
  };
  const runtime: FakeRuntime = {
    events,
    reconnected: Promise.resolve(),
    undecided,
    task: get,
    tasks: {
      async create(namespace, options, signal) {
        signal?.throwIfAborted();
        const key = `${namespace}/${options.id}`;
        if (all.has(key)) throw alreadyExists("task", options.id);
        const task = fakeTask(namespace, options, () => ++lastPid, tell);
        all.set(key, task);
        return task;
      },
      async abandon() {
        return false;
      },
      async find(namespace, id) {
        await runtime.reconnected;
        return runtime.tasks.known(namespace, id);
      },
      async get(namespace, id) {
        await runtime.reconnected;
        return get(namespace, id);
      },
      known: (namespace, id) => all.get(`${namespace}/${id}`) ?? null,
      list: async (namespace) => ({
        tasks: [...all.values()].filter((task) => task.namespace === namespace),
        undecided: undecided.filter((one) => one.namespace === namespace).map(({ id }) => id),
      }),
      async delete(namespace, id) {
        const task = get(namespace, id);
        const { status } = await task.state("");
        if (status === "running" || status === "paused") throw unknownError(`cannot delete a ${status} process`);
        if (status === "created") task.end(137);
        const exit = await task.wait("", new AbortController().signal);
        all.delete(`${namespace}/${id}`);
        return exit;
      },
    },
    onExit(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async info(name, options) {
      return RuntimeInfo.create({ name, options });
    },
    async reconnect() {},
    settled() {
      return this.reconnected;
    },
    async isSettled(namespace, id) {
      return !undecided.some((one) => one.namespace === namespace && one.id === id);
    },
    async close() {},
    async [Symbol.asyncDispose]() {},
  };
  return runtime;
}

type Stdio = Pick<ProcessState, "stdin" | "stdout" | "stderr" | "terminal">;

interface FakeProcess {
  pid: number;
  status: ProcessState["status"];
  ended: Exit | null;
  readonly exit: PromiseWithResolvers<Exit>;
  readonly stdio: Stdio;
}

function fakeTask(
  namespace: string,
  created: CreateTask,
  nextPid: () => number,
  tell: (namespace: string, id: string, execId: string, exit: Exit) => void,
): FakeTask {
  const { id } = created;
  const bundle = `/bundles/${id}`;
  const processes = new Map<string, FakeProcess>();
  const add = (execId: string, pid: number, { stdin, stdout, stderr, terminal }: Stdio) => {
    const stdio = { stdin, stdout, stderr, terminal };
    processes.set(execId, { pid, status: "created", ended: null, exit: Promise.withResolvers(), stdio });
  };
  add("", nextPid(), created);
  const signals: number[] = [];
  const execs: string[] = [];
  const processOf = (execId: string): FakeProcess => {
    const process = processes.get(execId);
    if (process === undefined) throw notFound("process", execId);
    return process;
  };
  const init = () => processOf("");
  const end = (status: number, execId = "") => {
    const process = processOf(execId);
    if (process.ended !== null) return;
    process.ended = { pid: process.pid, status, at: systemClock.now() };
    process.status = "stopped";
    process.exit.resolve(process.ended);
    tell(namespace, id, execId, process.ended);
    // With the first process of its pid namespace, all others end.
    if (execId === "") for (const other of processes.keys()) end(137, other);
  };
  const kill = (execId: string, signal: number) => {
    const process = processOf(execId);
    if (process.ended !== null) throw notFound("process", `${execId || id} already finished`);
    if (execId === "") signals.push(signal);
    if (signal === SIGKILL) end(137, execId);
  };
  return {
    namespace,
    id,
    created,
    bundle,
    shim: "/bin/shim",
    shimPid: 0,
    ranOutOfMemory: false,
    execs,
    signals,
    end,
    get pid() {
      return init().pid;
    },
    get hasEnded() {
      return init().ended !== null;
    },
    async state(execId) {
      const { pid, status, ended, stdio } = processOf(execId);
      const told = { exitStatus: ended?.status ?? 0, exitedAt: ended?.at ?? null };
      return { id: execId || id, pid, status, ...stdio, ...told, bundle };
    },
    async start(execId) {
      const process = processOf(execId);
      if (process.status !== "created") throw unknownError(`cannot start a ${process.status} process`);
      process.status = "running";
      if (execId !== "") process.pid = nextPid();
      return process.pid;
    },
    async kill(execId, signal) {
      kill(execId, signal);
    },
    async stop({ signal }: StopTask, abort) {
      // It ignores what can be ignored.
      for (const one of new Set([signal, SIGKILL])) if (init().ended === null) kill("", one);
      return await unlessAborted(init().exit.promise, abort);
    },
    async exec({ execId, spec, ...stdio }) {
      if (processes.has(execId)) throw alreadyExists("exec", execId);
      if (init().status !== "created" && init().status !== "running")
        throw unknownError(`cannot exec in a ${init().status} state`);
      execs.push(new TextDecoder().decode(spec?.value));
      add(execId, 0, stdio);
    },
    async wait(execId, signal) {
      return await unlessAborted(processOf(execId).exit.promise, signal);
    },
    async deleteExec(execId) {
      const { status, ended, pid } = processOf(execId);
      if (status === "running") throw unknownError("cannot delete a running process");
      processes.delete(execId);
      return ended ?? { pid, status: 0, at: 0n };
    },
    async resizePty(execId) {
      processOf(execId);
    },
    async closeIO(execId) {
      processOf(execId);
    },
    async pause() {
      if (init().status !== "running") throw unknownError(`cannot pause a ${init().status} container`);
      init().status = "paused";
    },
    async resume() {
      if (init().status !== "paused") throw unknownError(`cannot resume a ${init().status} container`);
      init().status = "running";
    },
    async pids() {
      return [...processes.values()]
        .filter(({ ended, pid }) => ended === null && pid > 0)
        .map(({ pid }) => ({ pid, info: null }));
    },
    async stats() {
      return { typeUrl: "io.containerd.cgroups.v1.Metrics", value: new Uint8Array() };
    },
    async update() {},
    async checkpoint() {
      throw new BerthError("unimplemented", "not in this fake");
    },
    async scratch() {
      throw failedPrecondition("the containers of this fake have no directories");
    },
  };
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    const cancel = () => reject(canceled("canceled"));
    if (signal.aborted) cancel();
    signal.addEventListener("abort", cancel, { once: true });
  });
  return Promise.race([promise, aborted]);
}
