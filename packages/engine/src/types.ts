// Who asks, and what for.
import type { Log } from "@berth/base";
import type { AnyValue, Scope } from "@berth/store";

/** In which namespace, with which lease, and until when. */
export interface Caller extends Scope {
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** A mount in a container. `type` empty: a bind. */
export interface UserMount {
  readonly type: string;
  readonly source: string;
  readonly destination: string;
  readonly options: readonly string[];
}

/** How a container differs from what its image says. Empty texts and lists, 0 and false: nothing was asked for. */
export interface ContainerOptions {
  readonly args: readonly string[];
  /** In the place of the image's, which then gives no arguments either. */
  readonly entrypoint: readonly string[];
  /** NAME=VALUE */
  readonly env: readonly string[];
  readonly cwd: string;
  /** A name or number, with a group or without. */
  readonly user: string;
  readonly hostname: string;
  readonly terminal: boolean;
  readonly mounts: readonly UserMount[];
  /** Bytes. */
  readonly memoryLimit: number;
  /** Processors, or a part of one. */
  readonly cpus: number;
  /** -1: none. */
  readonly pidsLimit: number;
  readonly privileged: boolean;
  /** The root. */
  readonly readOnly: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOpt: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  /** host or none. */
  readonly network: string;
  /** NAME=SOFT:HARD */
  readonly ulimits: readonly string[];
}

/** A container that is to be made. */
export interface NewContainer extends ContainerOptions {
  /** Empty: one is chosen. */
  readonly id: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  /** max-size and max-file of its log. */
  readonly logOptions: Readonly<Record<string, string>>;
  /** Empty for the namespace's default, or the supervisor's. */
  readonly runtime: string;
  readonly runtimeOptions: AnyValue | null;
  /** The same. */
  readonly snapshotter: string;
  /** It is removed when it has ended. */
  readonly autoRemove: boolean;
  /** The caller is going to start it: where that does not come, it is undone. */
  readonly startFollows: boolean;
}

/** Paths of FIFOs or files; empty for none. */
export interface Stdio {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A task that is to be made of a container. */
export interface NewTask extends Stdio {
  readonly id: string;
  readonly terminal: boolean;
  /** Its output goes to the container's log, and not to the caller's stdout and stderr. */
  readonly log: boolean;
  readonly startFollows: boolean;
}

/** One more process that is to be made in a container. */
export interface NewExec extends ExecOptions, Stdio {
  readonly id: string;
  /** Empty: one is chosen. */
  readonly execId: string;
}

/** One more process. What was not asked for is as it is for the container's first. */
export interface ExecOptions {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly terminal: boolean;
  readonly privileged: boolean;
}
