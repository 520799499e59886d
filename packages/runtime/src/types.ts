// From a container record to a live task: what the supervisor's services ask of the runtime.
import type { Instant, Mount } from "@berth/base";
import type { RuntimeInfo } from "@berth/proto/containerd/types";
import type { Any } from "@berth/proto/google/protobuf";

/** created, running, paused…: containerd.v1.types.Status as a word. */
export type ProcessStatus = "unknown" | "created" | "running" | "stopped" | "paused" | "pausing";

export interface ProcessState {
  /** Container id, or exec id. */
  readonly id: string;
  readonly pid: number;
  readonly status: ProcessStatus;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
  readonly exitStatus: number;
  readonly exitedAt: Instant | null;
  readonly bundle: string;
}

export interface Exit {
  readonly pid: number;
  /** 0 to 255, 128 + signal where a signal ended it, 255 where nobody saw it end. */
  readonly status: number;
  readonly at: Instant;
}

export interface CreateTask {
  readonly id: string;
  readonly rootfs: readonly Mount[];
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
  /** The FIFO directory of the client that stands for it; null for none. When the client has gone, its outputs are read. */
  readonly client: string | null;
  /** Path of a checkpoint image, or what lays one out in a directory of the task's own; empty for none. */
  readonly checkpoint: string | ((directory: string) => Promise<void>);
  readonly options: Any | null;
  /** Shim binary to use instead of the container's runtime; empty for that one. */
  readonly runtimePath: string;
}

export interface ExecOptions {
  readonly execId: string;
  readonly terminal: boolean;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly spec: Any | null;
  /**
   * The FIFO directory of the client that stands for it (client-fifos.ts), empty for none: it is deleted when it has ended
   * and nobody stands for it. Null: that is its maker's to do.
   */
  readonly client: string | null;
}

export interface StopTask {
  /** How it is asked to end; SIGKILL: at once. */
  readonly signal: number;
  /** Milliseconds from the signal to SIGKILL. */
  readonly graceMs: number;
}

/** A container that has a shim. `execId` "" is the init process. Every method has a deadline of its own. */
export interface Task {
  readonly namespace: string;
  readonly id: string;
  /** Of init; 0 before it is created. */
  readonly pid: number;
  readonly bundle: string;
  /** Path of the shim. */
  readonly shim: string;
  /** Of the shim; 0 where it is not known. */
  readonly shimPid: number;
  /** Whether init is known to have ended; false also where nobody has told yet. */
  readonly hasEnded: boolean;
  /** Whether the kernel has killed in its cgroup for lack of memory. */
  readonly ranOutOfMemory: boolean;
  /** deadline-exceeded where the shim does not answer in time; at once, nearly, while it has not answered before. */
  state(execId: string): Promise<ProcessState>;
  start(execId: string): Promise<number>;
  kill(execId: string, signal: number, all: boolean): Promise<void>;
  /** Sends a signal, and after the grace SIGKILL to everything; resolves at init's exit, whatever its shim does. */
  stop(options: StopTask, signal: AbortSignal): Promise<Exit>;
  exec(options: ExecOptions): Promise<void>;
  /** Resolves at the exit, however long it takes. */
  wait(execId: string, signal: AbortSignal): Promise<Exit>;
  deleteExec(execId: string): Promise<Exit>;
  resizePty(execId: string, width: number, height: number): Promise<void>;
  closeIO(execId: string, stdin: boolean): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  pids(): Promise<{ pid: number; info: Any | null }[]>;
  /** Waits for a shim as long as `state` does. */
  stats(): Promise<Any | null>;
  update(resources: Any | null, annotations: Readonly<Record<string, string>>): Promise<void>;
  checkpoint(path: string, options: Any | null): Promise<void>;
  /** A directory on disk, 0700 and empty, that is gone at the end of the scope, or else with the task. */
  scratch(): Promise<{ readonly path: string } & AsyncDisposable>;
}

export interface TaskList {
  readonly tasks: readonly Task[];
  /** Ids of containers that may have a task. */
  readonly undecided: readonly string[];
}

export interface TaskManager {
  /** already-exists where the container has a task; leaves nothing behind where it fails, or the signal is aborted. */
  create(namespace: string, options: CreateTask, signal?: AbortSignal): Promise<Task>;
  /** Takes back a create that is under way, and resolves once nothing is left of it. False where there is none. */
  abandon(namespace: string, id: string): Promise<boolean>;
  /**
   * Waits, after a restart, until the container's shim has been tried; unavailable after 10 s. null where the container
   * has no task.
   */
  find(namespace: string, id: string): Promise<Task | null>;
  /** The same; not-found where it has none. */
  get(namespace: string, id: string): Promise<Task>;
  /** What is known at this moment; null also where nothing is known yet. */
  known(namespace: string, id: string): Task | null;
  /**
   * Waits for what is undecided after a restart, at most until the deadline (Timeouts.load, from the start of the
   * reconnection) for shims that do not answer; what is undecided then is named.
   */
  list(namespace: string): Promise<TaskList>;
  /** Deletes the stopped task, its shim and its bundle. Its exit is kept, unless its container goes as well. */
  delete(namespace: string, id: string, options?: { withContainer: boolean }): Promise<Exit>;
}

/** One thing that happened. */
export interface Envelope {
  readonly timestamp: Instant;
  readonly namespace: string;
  /** `/tasks/exit` */
  readonly topic: string;
  readonly event: Any;
}

/** Every event passes here; there is no replay. */
export interface Exchange {
  /** Stamps the time. Never waits for a subscriber. */
  publish(namespace: string, topic: string, event: Any): void;
  /** An event from a shim, with its own time. invalid-argument for a malformed topic, namespace or time. */
  forward(envelope: Envelope): void;
  /** Subscribes at once (before the first `next`); a subscriber that does not read is cut off at a bound. */
  subscribe(filters: readonly string[], signal: AbortSignal): AsyncIterable<Envelope>;
}

/** A process of a container has ended. */
export interface TaskExited {
  readonly namespace: string;
  readonly id: string;
  /** Empty for init. */
  readonly execId: string;
}

export interface Runtime extends AsyncDisposable {
  readonly tasks: TaskManager;
  readonly events: Exchange;
  /** Tells each exit once, right after its event was published, however many there are. The listener must not throw. */
  onExit(listener: (exited: TaskExited) => void): Disposable;
  /** Reconnects to the shims found on disk, several at a time; resolves when all were tried. */
  reconnect(): Promise<void>;
  /** Resolves once `reconnect` has decided about this container (at once where it is done or was not needed). */
  settled(namespace: string, id: string): Promise<void>;
  /** Waits like `settled`, at most until the deadline for shims that do not answer; false where it came first. */
  isSettled(namespace: string, id: string): Promise<boolean>;
  /** What a runtime says of itself through its shim: version, features. Throws unknown where it is not installed or cannot tell. */
  info(runtime: string, options: Any | null): Promise<RuntimeInfo>;
  /** Lets go of the shims; they and their containers go on. */
  close(): Promise<void>;
}
