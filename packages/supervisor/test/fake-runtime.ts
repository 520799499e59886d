// A runtime whose containers are records: tasks come, run and end as the test says.
import { alreadyExists, BerthError, notFound, silent, systemClock } from "@berth/base";
import { RuntimeInfo } from "@berth/proto/containerd/types";
import { createExchange, type Exit, type ProcessState, type Runtime, type Task } from "@berth/runtime";

export interface FakeTask extends Task {
  /** What created it. */
  readonly stdout: string;
  readonly execs: string[];
  readonly signals: number[];
  end(status: number): void;
  stdioOf(): { stdout: string; stderr: string };
}

export interface FakeRuntime extends Runtime {
  task(namespace: string, id: string): FakeTask;
  /** Calls wait for it. */
  reconnected: Promise<void>;
  /** Containers of which nothing is known yet. */
  readonly undecided: { namespace: string; id: string }[];
}

export function fakeRuntime(): FakeRuntime {
  const all = new Map<string, FakeTask>();
  const events = createExchange({ clock: systemClock, log: silent });
  const undecided: FakeRuntime["undecided"] = [];
  let pid = 1000;
  const get = (namespace: string, id: string): FakeTask => {
    const task = all.get(`${namespace}/${id}`);
    if (task === undefined) throw notFound("task", id);
    return task;
  };
  const runtime: FakeRuntime = {
    events,
    reconnected: Promise.resolve(),
    task: get,
    tasks: {
      async create(namespace, options) {
        const key = `${namespace}/${options.id}`;
        if (all.has(key)) throw alreadyExists("task", options.id);
        pid += 1;
        const task = fakeTask(namespace, options.id, pid, options.stdout, options.stderr);
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
        const state = await task.state("");
        if (state.status !== "stopped") throw new BerthError("unknown", "cannot delete a running process");
        all.delete(`${namespace}/${id}`);
        return { pid: task.pid, status: state.exitStatus, at: state.exitedAt ?? systemClock.now() };
      },
    },
    onExit: () => ({ [Symbol.dispose]() {} }),
    async info(runtime, options) {
      return RuntimeInfo.create({ name: runtime, options });
    },
    async reconnect() {},
    settled() {
      return this.reconnected;
    },
    undecided,
    async isSettled(namespace, id) {
      return !undecided.some((one) => one.namespace === namespace && one.id === id);
    },
    async close() {},
    async [Symbol.asyncDispose]() {},
  };
  return runtime;
}

function fakeTask(namespace: string, id: string, pid: number, stdout: string, stderr: string): FakeTask {
  const exit = Promise.withResolvers<Exit>();
  let status: ProcessState["status"] = "created";
  let ended: Exit | null = null;
  const end = (code: number) => {
    ended = { pid, status: code, at: systemClock.now() };
    status = "stopped";
    exit.resolve(ended);
  };
  const signals: number[] = [];
  const execs: string[] = [];
  const no = async () => {
    throw new BerthError("unimplemented", "not in this fake");
  };
  return {
    namespace,
    id,
    pid,
    bundle: `/bundles/${id}`,
    shim: "/bin/shim",
    shimPid: 0,
    get hasEnded() {
      return ended !== null;
    },
    ranOutOfMemory: false,
    stdout,
    execs,
    signals,
    end,
    stdioOf: () => ({ stdout, stderr }),
    async state(execId) {
      const io = { stdin: "", stdout, stderr, terminal: false };
      return {
        id: execId || id,
        pid,
        status,
        ...io,
        exitStatus: ended?.status ?? 0,
        exitedAt: ended?.at ?? null,
        bundle: `/bundles/${id}`,
      };
    },
    async start() {
      status = "running";
      return pid;
    },
    async kill(_execId, signal) {
      if (ended !== null) throw notFound("process", id);
      signals.push(signal);
      if (signal === 9) end(137);
    },
    async stop({ signal }) {
      signals.push(signal);
      // It ignores what can be ignored.
      if (ended === null && signal !== 9) signals.push(9);
      if (ended === null) end(137);
      return await exit.promise;
    },
    async exec(options) {
      execs.push(new TextDecoder().decode(options.spec?.value));
    },
    wait: (_execId, signal) =>
      Promise.race([
        exit.promise,
        new Promise<never>((_, reject) => {
          const cancel = () => reject(new BerthError("canceled", "canceled"));
          signal.addEventListener("abort", cancel, { once: true });
          if (signal.aborted) cancel();
        }),
      ]),
    async deleteExec() {
      return { pid, status: 0, at: systemClock.now() };
    },
    async resizePty() {},
    async closeIO() {},
    async pause() {
      status = "paused";
    },
    async resume() {
      status = "running";
    },
    async pids() {
      return [{ pid, info: null }];
    },
    async stats() {
      return { typeUrl: "io.containerd.cgroups.v1.Metrics", value: new Uint8Array() };
    },
    async update() {},
    checkpoint: no,
  };
}
