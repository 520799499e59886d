import { native } from "berth:native";
import { EINVAL, ENOENT } from "./errno.ts";
import { Fd } from "./fd.ts";
import { isGone } from "./process.ts";
import { onPath } from "./programs.ts";
import { type ExitStatus, expectExit, startReaping } from "./reaper.ts";
import { check, SystemError } from "./system-error.ts";

export type Namespace = keyof typeof namespaceFlags;

/** clone(2) */
const namespaceFlags = { uts: 0x0400_0000, ipc: 0x0800_0000, pid: 0x2000_0000 } as const;

export interface SpawnOptions {
  /** argv[0] is looked up on PATH, in its absolute folders, when it has no slash. */
  argv: readonly string[];
  /** NAME=VALUE; default: our own environment. */
  env?: readonly string[];
  cwd?: string;
  /** null or absent: /dev/null */
  stdin?: Fd | null;
  stdout?: Fd | null;
  stderr?: Fd | null;
  /** become 3, 4, 5… */
  extraFds?: readonly Fd[];
  setsid?: boolean;
  setpgid?: boolean;
  /** Kinds of namespaces that the child gets new ones of (namespaces(7)). With `pid` it is the init of one. */
  namespaces?: readonly Namespace[];
  /** Sent to the child when we die (PR_SET_PDEATHSIG), e.g. 9. */
  parentDeathSignal?: number;
}

export interface Child {
  readonly pid: number;
  readonly exited: Promise<ExitStatus>;
  /** Through a pidfd, so that it never hits another process; one that has ended is fine. */
  kill(signal: number): void;
}

const SETSID = 1;
const SETPGID = 2;

/**
 * Starts a program. It gets no descriptor but those named here, default signal dispositions and an empty signal mask.
 * Throws a SystemError of exec where the program cannot be run: ENOENT (not there, or its interpreter or cwd), EACCES….
 */
export function spawn(options: SpawnOptions): Child {
  const { argv } = options;
  const program = argv[0];
  if (program === undefined || program === "") throw new SystemError(EINVAL, "exec", "an empty argument list");
  startReaping();
  const fds = [options.stdin, options.stdout, options.stderr, ...(options.extraFds ?? [])];
  let flags = (options.setsid ? SETSID : 0) | (options.setpgid ? SETPGID : 0);
  for (const kind of options.namespaces ?? []) flags |= namespaceFlags[kind];
  const [pid, pidfd] = check(
    native.spawn(
      candidates(program),
      argv,
      options.env ?? null,
      options.cwd ?? null,
      fds.map((fd) => fd?.number ?? -1),
      flags,
      options.parentDeathSignal ?? 0,
    ),
    "exec",
    program,
  );
  return new SpawnedChild(pid, new Fd(pidfd, `pidfd(${pid})`));
}

function candidates(program: string): string[] {
  if (program.includes("/")) return [program];
  const paths = onPath(program);
  if (paths.length === 0) throw new SystemError(ENOENT, "exec", program);
  return paths;
}

class SpawnedChild implements Child {
  readonly pid: number;
  readonly exited: Promise<ExitStatus>;
  readonly #pidfd: Fd;

  constructor(pid: number, pidfd: Fd) {
    this.pid = pid;
    this.#pidfd = pidfd;
    this.exited = expectExit(pid).exited.then((exit) => {
      pidfd.close();
      return exit;
    });
  }

  kill(signal: number): void {
    if (this.#pidfd.closed) return;
    const result = native.pidfdKill(this.#pidfd.number, signal);
    if (!isGone(result)) check(result, "kill", `process ${this.pid}`);
  }
}
