import { native } from "berth:native";
import { EAGAIN } from "./errno.ts";
import { Fd } from "./fd.ts";
import { keepAlive, watchInBackground } from "./loop.ts";
import { check } from "./system-error.ts";
import { uncaught } from "./uncaught.ts";

// signal(7): the numbers of x86-64 and aarch64, which are the same
const numbers: Readonly<Record<string, number>> = {
  HUP: 1, INT: 2, QUIT: 3, ILL: 4, TRAP: 5, ABRT: 6, IOT: 6, BUS: 7, FPE: 8, KILL: 9, USR1: 10, SEGV: 11, USR2: 12,
  PIPE: 13, ALRM: 14, TERM: 15, STKFLT: 16, CHLD: 17, CLD: 17, CONT: 18, STOP: 19, TSTP: 20, TTIN: 21, TTOU: 22,
  URG: 23, XCPU: 24, XFSZ: 25, VTALRM: 26, PROF: 27, WINCH: 28, IO: 29, POLL: 29, PWR: 30, SYS: 31,
}; // biome-ignore format: a table

export const SIGCHLD = 17;
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** "SIGTERM", "TERM", "term", "15", "SIGRTMIN+3", "RTMAX-1"; null for anything else. */
export function signalNumber(name: string): number | null {
  if (/^\d+$/.test(name)) {
    const number = Number(name);
    return number >= 1 && number <= SIGRTMAX ? number : null;
  }
  const bare = name.toUpperCase().replace(/^SIG/, "");
  const known = Object.hasOwn(numbers, bare) ? numbers[bare] : undefined;
  if (known !== undefined) return known;
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(bare);
  if (realTime === null) return null;
  const offset = Number(realTime[3] ?? 0) * (realTime[2] === "-" ? -1 : 1);
  const number = (realTime[1] === "MIN" ? SIGRTMIN : SIGRTMAX) + offset;
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : null;
}

const handlers = new Map<number, Set<() => void>>();
let signalFd: Fd | null = null;

/**
 * Calls the handler for each arrival of the signal (arrivals close together may be told once). The signal's default
 * action is blocked from then on, also after dispose. SIGCHLD is the reaper's; SIGPIPE is always ignored.
 */
export function onSignal(signal: number, handler: () => void): Disposable {
  return watchSignal(signal, handler, { keepsAlive: true });
}

/** Arrivals from now on wait for `onSignal`, also in a process that is forked; this one has no handler for them yet. */
export function holdSignals(...signals: readonly number[]): void {
  for (const signal of signals) new Fd(check(native.signalAdd(-1, signal), "signalfd", `signal ${signal}`), "").close();
}

export function watchSignal(signal: number, handler: () => void, { keepsAlive }: { keepsAlive: boolean }): Disposable {
  const fd = openSignals();
  check(native.signalAdd(fd.number, signal), "signalfd", `signal ${signal}`);
  const letGo = keepsAlive ? keepAlive() : () => {};
  const own = () => handler(); // the same function may be registered twice
  handlers.set(signal, (handlers.get(signal) ?? new Set()).add(own));
  return {
    [Symbol.dispose]() {
      letGo();
      handlers.get(signal)?.delete(own);
    },
  };
}

function openSignals(): Fd {
  if (signalFd !== null) return signalFd;
  const fd = new Fd(check(native.signalOpen(), "signalfd", ""), "signalfd");
  watchInBackground(fd, { readable: true }, () => readSignals(fd));
  signalFd = fd;
  return fd;
}

function readSignals(fd: Fd): void {
  for (;;) {
    const signal = native.signalRead(fd.number);
    if (signal === -EAGAIN) return;
    check(signal, "read", "signalfd");
    for (const handler of [...(handlers.get(signal) ?? [])]) {
      try {
        handler();
      } catch (error) {
        uncaught(error);
      }
    }
  }
}
