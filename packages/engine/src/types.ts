// What is asked for when a container or one more process of it is made.

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

/** One more process. What was not asked for is as it is for the container's first. */
export interface ExecOptions {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly terminal: boolean;
  readonly privileged: boolean;
}
