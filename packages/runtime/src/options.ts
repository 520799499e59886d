// What the runtime needs from outside. Everything that is not the file system or a child process is passed in.
import type { Clock, Log } from "@berth/base";
import type { Helper } from "@berth/helper";
import type { Any } from "@berth/proto/google/protobuf";
import type { DrainCommand } from "./drain.ts";
import type { Exit } from "./types.ts";

/** Milliseconds. */
export interface Timeouts {
  /** State, the RPC that everybody polls. */
  readonly state: number;
  /** Kill, and every RPC that is not named here. */
  readonly call: number;
  /** Launch of a shim, Create and Start: a runtime may have much to set up. */
  readonly create: number;
  /** From SIGKILL to the exit. */
  readonly kill: number;
  /** Delete; more than the 10 s for which containerd's shims wait for a container's output to end. */
  readonly delete: number;
  /** Shutdown, and then the shim's end. */
  readonly shutdown: number;
  /** Dialing a shim that was found on disk, with its first answer. */
  readonly load: number;
  /** A call that waits for the reconnection to its container's shim. */
  readonly reconnect: number;
  /** The shim's `delete` command. */
  readonly cleanup: number;
  /** How long an exec of a client of ours that has ended, or was not started, is kept for a caller who may ask for it. */
  readonly leftExec: number;
  /** How long an exit that happened while nobody listened is left to the shim to report. */
  readonly exitGrace: number;
}

export const defaultTimeouts: Timeouts = {
  state: 2_000,
  call: 10_000,
  create: 120_000,
  kill: 20_000,
  delete: 20_000,
  shutdown: 3_000,
  load: 5_000,
  reconnect: 10_000,
  cleanup: 10_000,
  leftExec: 30_000,
  exitGrace: 1_000,
};

export interface Scope {
  readonly namespace: string;
  readonly lease: string;
}

/** The part of a container store that the runtime reads. not-found where there is no such container. */
export interface ContainerLookup {
  get(
    scope: Scope,
    id: string,
  ): {
    readonly runtime: { readonly name: string; readonly options: Any | null };
    readonly spec: Any | null;
  };
}

/** How a container's last task has ended. */
export interface LastExit extends Exit {
  /** The kernel has killed it for lack of memory. */
  readonly outOfMemory: boolean;
}

/** Where exits are kept once there is no task any more. Written before the task is gone. */
export interface ExitKeeper {
  get(scope: Scope, id: string): LastExit | null;
  keep(scope: Scope, id: string, exit: LastExit): void;
  /** There is a new task. */
  forget(scope: Scope, id: string): void;
}

/**
 * Moves what nobody can explain to where it is kept for a time: a bundle, or a work directory. Gives its new path; null
 * where it cannot be moved.
 */
export type PutAside = (path: string, area: `bundles/${string}` | `tasks/${string}`, name: string) => string | null;

export interface RuntimeOptions {
  /** Durable directory; work directories of bundles are below it. */
  readonly root: string;
  /** Volatile directory (tmpfs); bundles are below it. */
  readonly state: string;
  /** Path of our gRPC socket, told to shims. */
  readonly grpcAddress: string;
  /** Path of our ttrpc socket, where shims send their events. */
  readonly ttrpcAddress: string;
  readonly containers: ContainerLookup;
  readonly exits: ExitKeeper;
  readonly putAside: PutAside;
  /** Where our clients make the directories of their FIFOs. */
  readonly clientFifos: string;
  /** What reads a process's outputs in the place of a client that has gone. `process` is an exec's id, empty for init. */
  readonly drainCommand: (namespace: string, id: string, process: string) => DrainCommand;
  readonly log: Log;
  readonly clock: Clock;
  readonly timeouts?: Partial<Timeouts>;
  /** Path of the shim for a runtime's name (see createShimResolver). Throws for one that is not installed. */
  readonly resolveShim: (runtimeName: string) => string;
  /** Launches shims, and makes FIFOs. The caller closes it, after the runtime. */
  readonly helper: Helper;
  /** Program with a `publish` command, told to shims. */
  readonly publishBinary: string;
  /** Told to shims that ask for it. */
  readonly daemonVersion: string;
  /** Environment that shims inherit; default: the process's own. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Identity of this boot of the machine; default: /proc/sys/kernel/random/boot_id. */
  readonly bootId?: string;
}
