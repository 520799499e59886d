// One process of a container that the shim keeps: init, or an exec.

import type { Stdio } from "../stdio/stdio.ts";
import type { ProcessState } from "./process-state.ts";

/** How a process ended; `at` is in milliseconds since the epoch. */
export interface Exit {
  readonly status: number;
  readonly at: number;
}

export interface Process {
  readonly kind: "init" | "exec";
  /** Empty for init. */
  readonly execId: string;
  readonly terminal: boolean;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  /** Set by `advance` only. */
  state: ProcessState;
  /** null until it is opened: an exec's is opened at start. */
  stdio: Stdio | null;
  /** Its exit has been taken from the kernel: its number may be another process's. */
  reaped: boolean;
  /** The runtime is starting it: its exit must wait for the start event. */
  starting: boolean;
  /** An exit that came while it was starting. */
  early: Exit | null;
  /** Runs one piece of work at a time, in the order of the calls. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** Resolves once the exit is published, or the start has failed for good. */
  readonly ended: Promise<Exit>;
  readonly end: (exit: Exit) => void;
}

export type ProcessRequest = Pick<Process, "kind" | "execId" | "terminal" | "stdin" | "stdout" | "stderr">;

export function createProcess(request: ProcessRequest): Process {
  let end: (exit: Exit) => void = () => {};
  const ended = new Promise<Exit>((resolve) => {
    end = resolve;
  });
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...request,
    state: { at: "created", pid: 0 },
    stdio: null,
    reaped: false,
    starting: false,
    early: null,
    inTurn(work) {
      const result = last.then(work);
      last = result.catch(() => {}); // the caller has it; the next in line only waits for the end
      return result;
    },
    ended,
    end,
  };
}

/** Has a process in the kernel, or is about to have one. */
export const isAlive = ({ state, starting }: Process): boolean =>
  starting || state.at === "running" || state.at === "paused";

/** The exit of a stopped process, else null. */
export const exitOf = ({ state }: Process): Exit | null =>
  state.at === "stopped" || state.at === "deleted" ? { status: state.status, at: state.exitedAt } : null;
