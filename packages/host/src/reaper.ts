import { native } from "berth:native";
import { now } from "./clock.ts";
import { ECHILD } from "./errno.ts";
import { keepAlive } from "./loop.ts";
import { SIGCHLD, watchSignal } from "./signals.ts";

export interface ExitStatus {
  readonly pid: number;
  /** 0..255, or 128+signal */
  readonly status: number;
  /** Milliseconds since the epoch, when the exit was seen. */
  readonly at: number;
}

export interface ExitWatch {
  readonly exited: Promise<ExitStatus>;
  /** The process is no child of ours now, and no exit of it was seen: unless it becomes one, it never exits. */
  readonly foreign: boolean;
  /** Stops waiting; `exited` then stays pending. */
  close(): void;
}

/** How many exits of processes that nobody asked about are kept; the oldest are dropped (conmon keeps such a list too). */
const MAX_UNKNOWN = 4096;

const waiting = new Map<number, Set<(exit: ExitStatus) => void>>();
const unknown = new Map<number, ExitStatus>();
let reaping = false;

/** Starts to reap every child of this process, known or not. */
export function startReaping(): void {
  if (reaping) return;
  reaping = true;
  watchSignal(SIGCHLD, reap, { keepsAlive: false });
  reap(); // a child may have ended before the signal was watched
}

/** One SIGCHLD stands for any number of exits (signal(7)): ask until there are none. */
function reap(): void {
  for (;;) {
    const ended = native.reap();
    if (ended.length === 0) return;
    for (let i = 0; i + 1 < ended.length; i += 2) {
      settle({ pid: ended[i] as number, status: ended[i + 1] as number, at: now() });
    }
  }
}

function settle(exit: ExitStatus): void {
  const resolvers = waiting.get(exit.pid);
  if (resolvers !== undefined) {
    waiting.delete(exit.pid);
    for (const resolve of resolvers) resolve(exit);
    return;
  }
  unknown.delete(exit.pid); // so that it moves to the end
  unknown.set(exit.pid, exit);
  if (unknown.size > MAX_UNKNOWN) unknown.delete(unknown.keys().next().value as number);
}

/** Waits for a child that was just made: an exit kept under its number belongs to an earlier process. */
export function expectExit(pid: number): ExitWatch {
  unknown.delete(pid);
  return wait(pid);
}

/**
 * Waits for the exit of a process that we did not spawn but have inherited, or will (subreaper). An exit which came
 * before the call is replayed, once, unless a living child has the number by now.
 */
export function watchPid(pid: number): ExitWatch {
  startReaping();
  reap();
  const seen = unknown.get(pid);
  if (seen !== undefined) {
    unknown.delete(pid);
    if (native.childState(pid) === -ECHILD) return { exited: Promise.resolve(seen), foreign: false, close() {} };
  }
  return wait(pid, native.childState(pid) === -ECHILD);
}

function wait(pid: number, foreign = false): ExitWatch {
  const letGo = keepAlive();
  let resolver: (exit: ExitStatus) => void = () => {};
  const exited = new Promise<ExitStatus>((resolve) => {
    resolver = (exit) => {
      letGo();
      resolve(exit);
    };
  });
  const resolvers = waiting.get(pid) ?? new Set();
  waiting.set(pid, resolvers.add(resolver));
  return {
    exited,
    foreign,
    close() {
      letGo();
      resolvers.delete(resolver);
      if (resolvers.size === 0 && waiting.get(pid) === resolvers) waiting.delete(pid);
    },
  };
}
