// A supervisor without containers: its tasks are plain processes on the FIFOs that the client made, so the
// client's part of the work is the same. It can be killed and started again; the processes do not notice.
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, mkdtempSync, openSync, rmSync, unlinkSync } from "node:fs";
import { createServer as createListener, type Server as Listener, type Socket } from "node:net";
import { join } from "node:path";
import { alreadyExists, notFound, silent, unavailable, unknownError } from "@berth/base";
import { packAny } from "@berth/proto";
import { CreateContainerRequest, Engine, type RunContainerRequest } from "@berth/proto/berth/v1";
import { Events } from "@berth/proto/containerd/services/events/v1";
import { ImageDelete } from "@berth/proto/containerd/services/images/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { Version } from "@berth/proto/containerd/services/version/v1";
import { Status } from "@berth/proto/containerd/v1/types";
import { register, type ServiceImpl } from "@berth/rpc";
import { nodeByteStream } from "@berth/transport";
import { createServer } from "@berth/ttrpc";

interface Stdio {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that was made and may have been started. */
class FakeProcess {
  readonly #args: readonly string[];
  readonly #stdio: Stdio;
  readonly #fds: number[];
  /** Keeps the process's stdin open while clients come and go. */
  #keeper: number | null;
  #child: ChildProcess | null = null;
  readonly exited: Promise<number>;
  #exit: (status: number) => void = () => {};
  status: number = Status.CREATED;

  constructor(args: readonly string[], stdio: Stdio) {
    checkCommand(args[0] ?? "");
    this.#args = args;
    this.#stdio = stdio;
    const { stdin, stdout, stderr } = this.#stdio;
    this.#keeper = stdin === "" ? null : openSync(stdin, constants.O_RDWR);
    this.#fds = [
      openSync(stdin || "/dev/null", constants.O_RDONLY),
      openSync(stdout || "/dev/null", constants.O_WRONLY),
      openSync(stderr || "/dev/null", constants.O_WRONLY),
    ];
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
  }

  start(): number {
    const [command = "", ...args] = this.#args;
    const child = spawn(command, args, { stdio: this.#fds as [number, number, number] });
    for (const fd of this.#fds) closeSync(fd);
    this.#child = child;
    this.status = Status.RUNNING;
    child.on("exit", (code, signal) => {
      this.status = Status.STOPPED;
      this.closeStdin();
      this.#exit(code ?? 128 + (signal === "SIGKILL" ? 9 : signal === "SIGTERM" ? 15 : 2));
    });
    return child.pid ?? 0;
  }

  kill(signal: number): void {
    if (this.#child === null) for (const fd of this.#fds) closeSync(fd);
    else this.#child.kill(signal as unknown as NodeJS.Signals);
  }

  closeStdin(): void {
    if (this.#keeper !== null) closeSync(this.#keeper);
    this.#keeper = null;
  }
}

function checkCommand(name: string): void {
  if (name.includes("/")) {
    try {
      accessSync(name, constants.X_OK);
    } catch (error) {
      const denied = (error as NodeJS.ErrnoException).code === "EACCES";
      throw unknownError(
        `unable to start: exec: "${name}": ${denied ? "" : `stat ${name}: `}${denied ? "permission denied" : "no such file or directory"}`,
      );
    }
  } else if (!["sh", "cat", "true", "sleep", "head", "seq"].includes(name))
    throw unknownError(`unable to start: exec: "${name}": executable file not found in $PATH`);
}

export class FakeSupervisor implements Disposable {
  readonly folder: string = mkdtempSync("/tmp/berth-fake.");
  readonly address: string = join(this.folder, "berth.sock");
  /** Arguments of each container. */
  readonly containers = new Map<string, readonly string[]>();
  /** By container id, or container id and exec id. */
  readonly processes = new Map<string, FakeProcess>();
  /** How many have subscribed so far. */
  subscribers = 0;
  /** Of every container in the list, as the wire says it. */
  status = "running";
  /** What the registry says to a login: it takes each of them. */
  checkCredentials: ServiceImpl<typeof Engine>["checkCredentials"] = ({ credentials }) => ({ credentials });
  readonly execs = new Map<string, { args: readonly string[]; stdio: Stdio }>();
  #listener: Listener | null = null;
  readonly #sockets = new Set<Socket>();

  readonly #lacks: readonly string[];

  /** `lacks`: methods of berth.v1.Engine that it does not know, as one does that is older. */
  constructor({ lacks = [] }: { lacks?: readonly string[] } = {}) {
    this.#lacks = lacks;
    this.start();
  }

  start(): void {
    const known = Object.entries(Engine.methods).filter(([, { name }]) => !this.#lacks.includes(name));
    const server = createServer({
      registrations: [
        register({ ...Engine, methods: Object.fromEntries(known) as typeof Engine.methods }, this.#engine()),
        register(Tasks, this.#tasks()),
        register(Events, this.#events()),
        register(Version, { version: () => ({ version: "fake", revision: "" }) }),
      ],
      log: silent,
    });
    this.#listener = createListener((socket) => {
      this.#sockets.add(socket);
      server.accept(nodeByteStream(socket));
    }).listen(`${this.address}.ttrpc`);
  }

  /** As a kill would: connections break, the socket stays behind. */
  kill(): void {
    this.#listener?.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  /** After a kill. */
  restart(): void {
    try {
      unlinkSync(`${this.address}.ttrpc`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    this.start();
  }

  [Symbol.dispose](): void {
    this.kill();
    for (const process of this.processes.values()) if (process.status === Status.RUNNING) process.kill(9);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #process(id: string, execId = ""): FakeProcess {
    const process = this.processes.get(`${id}/${execId}`);
    if (process === undefined) throw notFound("process", execId || id);
    return process;
  }

  #engine(): ServiceImpl<typeof Engine> {
    const missing = () => {
      throw unknownError("the fake cannot do that");
    };
    return {
      createContainer: ({ id, args, image }) => {
        if (image === "nothere") throw notFound("image", image);
        if (this.containers.has(id)) throw alreadyExists("container", id);
        this.containers.set(id, args);
        return { id };
      },
      runContainer: async function* (this: FakeSupervisor, request: RunContainerRequest) {
        const { id, args, image } = request.container ?? CreateContainerRequest.create();
        if (image === "nothere") throw notFound("image", image);
        if (this.containers.has(id)) throw alreadyExists("container", id);
        this.containers.set(id, args);
        yield { created: { id } };
        this.processes.set(`${id}/`, new FakeProcess(args, request));
        yield { started: { pid: this.#process(id).start() } };
        if (request.detach) return;
        yield { exited: { exitStatus: await this.#process(id).exited } };
      }.bind(this),
      createTask: ({ id, ...stdio }) => {
        const args = this.containers.get(id);
        if (args === undefined) throw notFound("container", id);
        this.processes.set(`${id}/`, new FakeProcess(args, stdio));
        return { pid: 1 };
      },
      createExec: ({ id, execId, args, ...stdio }) => {
        this.#process(id);
        this.execs.set(`${id}/${execId}`, { args, stdio });
        return { execId };
      },
      removeContainer: ({ id }) => {
        if (!this.containers.delete(id)) throw notFound("container", id);
        const process = this.processes.get(`${id}/`);
        if (process !== undefined && process.status !== Status.STOPPED) process.kill(9);
        this.processes.delete(`${id}/`);
        return {};
      },
      listContainers: async function* (this: FakeSupervisor) {
        for (const [id, args] of this.containers)
          yield { containers: [{ id, args: [...args], image: "image", status: this.status }] };
      }.bind(this),
      listImages: missing,
      waitContainer: async ({ id }) => ({ exitStatus: await this.#process(id).exited }),
      stopContainer: missing,
      inspectContainer: ({ id }) => {
        if (!this.containers.has(id)) throw notFound("container", id);
        return { json: new TextEncoder().encode(JSON.stringify({ id })) };
      },
      readLogs: missing,
      // biome-ignore lint/correctness/useYield: it never comes to one
      async *pullImage(requests) {
        for await (const { reference } of requests)
          throw unavailable(`image ${reference} cannot be pulled: https://nowhere.example/v2: there is no such host`);
      },
      pushImage: missing,
      explainRegistry: missing,
      checkCredentials: (request, call) => this.checkCredentials(request, call),
      importImage: missing,
      checkImages: missing,
      tagImage: missing,
      imageHistory: missing,
      imageTree: missing,
      imageUsage: missing,
      pruneImages: missing,
      exportImages: missing,
    };
  }

  /** Who subscribes gets one event at once, which has its number. */
  #events(): ServiceImpl<typeof Events> {
    const next = () => {
      const event = packAny(ImageDelete, { name: `event ${++this.subscribers}` });
      return { namespace: "n", topic: "/images/delete", event, timestamp: { seconds: 1, nanos: 0 } };
    };
    return {
      publish: () => ({}),
      forward: () => ({}),
      subscribe: async function* (_request, call) {
        yield next();
        await new Promise((resolve) => call.signal.addEventListener("abort", resolve));
      },
    };
  }

  #tasks(): ServiceImpl<typeof Tasks> {
    const missing = () => {
      throw unknownError("the fake cannot do that");
    };
    return {
      start: ({ containerId, execId }) => {
        const exec = this.execs.get(`${containerId}/${execId}`);
        if (exec !== undefined) this.processes.set(`${containerId}/${execId}`, new FakeProcess(exec.args, exec.stdio));
        return { pid: this.#process(containerId, execId).start() };
      },
      wait: async ({ containerId, execId }) => {
        const exec = this.execs.get(`${containerId}/${execId}`);
        // An exec exists before it is started, and can be waited for.
        while (exec !== undefined && !this.processes.has(`${containerId}/${execId}`)) {
          if (!this.execs.has(`${containerId}/${execId}`)) throw notFound("process", execId);
          await new Promise((resolve) => setImmediate(resolve));
        }
        return { exitStatus: await this.#process(containerId, execId).exited };
      },
      get: ({ containerId, execId }) => ({ process: { status: this.#process(containerId, execId).status } }),
      kill: ({ containerId, execId, signal }) => {
        this.#process(containerId, execId).kill(signal);
        return {};
      },
      closeIO: ({ containerId, execId }) => {
        this.#process(containerId, execId).closeStdin();
        return {};
      },
      resizePty: () => ({}),
      deleteProcess: ({ containerId, execId }) => {
        if (!this.execs.delete(`${containerId}/${execId}`)) throw notFound("process", execId);
        this.processes.delete(`${containerId}/${execId}`);
        return {};
      },
      create: missing,
      delete: missing,
      list: missing,
      exec: missing,
      pause: missing,
      resume: missing,
      listPids: missing,
      checkpoint: missing,
      update: missing,
      metrics: missing,
    };
  }
}
