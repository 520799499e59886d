import { native } from "berth:native";
import { EPERM } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { check } from "./system-error.ts";
import { anyTimerKeepsAlive, runDueTimer, untilNextTimer } from "./timer-queue.ts";
import { uncaught } from "./uncaught.ts";

// epoll_ctl(2)
const EPOLLIN = 1;
const EPOLLPRI = 2;
const EPOLLOUT = 4;
const EPOLLERR = 8;
const EPOLLHUP = 16;
const EPOLLRDHUP = 0x2000;

/** What `turn` answers when nothing is left that could happen. */
const DONE = -2;

/** What a descriptor is ready for. An error counts as both, so that the next call tells it. */
export interface Ready {
  readable: boolean;
  writable: boolean;
  /** Something out of the ordinary: a cgroup file has changed. */
  priority: boolean;
  hangup: boolean;
}

export interface Interest {
  readable?: boolean;
  writable?: boolean;
  priority?: boolean;
}

export interface Watch extends Disposable {
  update(interest: Interest): void;
  close(): void;
}

/** One registration in epoll: a descriptor may be watched more than once (a terminal is read by one and written by another). */
interface Entry {
  readonly fd: Fd;
  readonly number: number;
  readonly token: number;
  readonly watchers: Watcher[];
  mask: number;
  /** epoll refuses regular files (EPERM): they are always ready. */
  always: boolean;
}

const entries = new Map<number, Entry>();
const byNumber = new Map<number, Entry>();
const alwaysReady = new Set<Entry>();
let lastToken = 0;
let kept = 0;
let started = false;

/** Makes the loop, once. A process that wants to fork does so before anything here is used. */
export function startLoop(): void {
  if (started) return;
  started = true;
  native.setUncaught(uncaught);
  check(native.loopOpen(dispatch, turn), "epoll_create1", "");
}

/** Keeps the loop running until the returned function is called: for work that no watch or timer stands for. */
export function keepAlive(): () => void {
  startLoop();
  kept++;
  let held = true;
  return () => {
    if (held) kept--;
    held = false;
  };
}

/**
 * Calls the handler each time when the descriptor is ready for what is asked, until closed (level-triggered).
 * Nothing is reported, not even a hangup, while the interest is empty. Close the watch before the descriptor.
 */
export function watch(fd: Fd, interest: Interest, handler: (ready: Ready) => void): Watch {
  return new Watcher(fd, interest, handler, true);
}

/** A watch that does not keep the loop running. */
export function watchInBackground(fd: Fd, interest: Interest, handler: (ready: Ready) => void): Watch {
  return new Watcher(fd, interest, handler, false);
}

class Watcher implements Watch {
  readonly keepsAlive: boolean;
  readonly handler: (ready: Ready) => void;
  readonly #entry: Entry;
  mask = 0;
  closed = false;

  constructor(fd: Fd, interest: Interest, handler: (ready: Ready) => void, keepsAlive: boolean) {
    startLoop();
    this.handler = handler;
    this.keepsAlive = keepsAlive;
    this.#entry = entryOf(fd);
    this.#entry.watchers.push(this);
    try {
      this.update(interest);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  update(interest: Interest): void {
    if (this.closed) return;
    this.mask =
      (interest.readable ? EPOLLIN | EPOLLRDHUP : 0) |
      (interest.writable ? EPOLLOUT : 0) |
      (interest.priority ? EPOLLPRI : 0);
    arm(this.#entry);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.mask = 0;
    const { watchers } = this.#entry;
    watchers.splice(watchers.indexOf(this), 1);
    arm(this.#entry);
    if (watchers.length === 0) forget(this.#entry);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function entryOf(fd: Fd): Entry {
  const number = fd.number;
  const known = byNumber.get(number);
  if (known?.fd === fd) return known;
  // The number was closed under a watch and has come back as another file: the old registration went with it.
  if (known !== undefined) forget(known);
  const entry: Entry = { fd, number, token: ++lastToken, watchers: [], mask: 0, always: false };
  entries.set(entry.token, entry);
  byNumber.set(number, entry);
  return entry;
}

function forget(entry: Entry): void {
  entries.delete(entry.token);
  alwaysReady.delete(entry);
  if (byNumber.get(entry.number) === entry) byNumber.delete(entry.number);
}

/** Tells epoll what all watchers of a descriptor want together. An empty set is taken out, or a hangup would be reported for ever. */
function arm(entry: Entry): void {
  let mask = 0;
  for (const watcher of entry.watchers) mask |= watcher.mask;
  if (mask === entry.mask) return;
  const before = entry.mask;
  if (entry.fd.closed || byNumber.get(entry.number) !== entry) {
    entry.mask = mask;
    return; // closing has removed it from epoll
  }
  if (entry.always) {
    entry.mask = mask;
    if (mask === 0) alwaysReady.delete(entry);
    else alwaysReady.add(entry);
    return;
  }
  const { number, token } = entry;
  if (mask === 0) check(native.loopRemove(number), "epoll_ctl", entry.fd.what);
  else if (before !== 0) check(native.loopModify(number, token, mask), "epoll_ctl", entry.fd.what);
  else {
    const result = native.loopAdd(number, token, mask);
    if (result === -EPERM) {
      entry.always = true;
      alwaysReady.add(entry);
    } else check(result, "epoll_ctl", entry.fd.what);
  }
  entry.mask = mask;
}

/** Called from C for each event. A token that is gone belonged to a watch closed earlier in the same round. */
function dispatch(token: number, events: number): void {
  const entry = entries.get(token);
  if (entry === undefined) return;
  const failed = (events & (EPOLLERR | EPOLLHUP)) !== 0;
  const hangup = (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) !== 0;
  for (const watcher of [...entry.watchers]) {
    const { mask } = watcher;
    const readable = (mask & EPOLLIN) !== 0 && (failed || (events & (EPOLLIN | EPOLLRDHUP)) !== 0);
    const writable = (mask & EPOLLOUT) !== 0 && (failed || (events & EPOLLOUT) !== 0);
    const priority = (mask & EPOLLPRI) !== 0 && (failed || (events & EPOLLPRI) !== 0);
    if (!readable && !writable && !priority) continue;
    try {
      watcher.handler({ readable, writable, priority, hangup });
    } catch (error) {
      uncaught(error);
    }
  }
}

/** Called from C before each wait: runs what is due and says how long to wait (ms, -1 without end, -2 nothing is left). */
function turn(): number {
  try {
    if (runDueTimer()) return 0;
  } catch (error) {
    uncaught(error);
    return 0;
  }
  if (alwaysReady.size > 0) {
    for (const { token, mask } of [...alwaysReady]) dispatch(token, mask);
    return 0;
  }
  if (kept === 0 && !anyTimerKeepsAlive() && !anyWatchKeepsAlive()) return DONE;
  return untilNextTimer();
}

function anyWatchKeepsAlive(): boolean {
  for (const { watchers } of entries.values()) {
    if (watchers.some((watcher) => watcher.keepsAlive)) return true;
  }
  return false;
}
