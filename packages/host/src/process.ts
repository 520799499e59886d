import { native } from "berth:native";
import { capabilityMask } from "./capabilities.ts";
import { EINVAL, ESRCH } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { check, SystemError } from "./system-error.ts";

/** The arguments; argv[0] is the program itself, as it was called. */
export const argv: readonly string[] = /* @__PURE__ */ native.argv();

export const env = (name: string): string | null => native.env(name);

/** NAME=VALUE, as they were at the start. */
export const environ = (): string[] => native.environ();

export const cwd = (): string => check(native.cwd(), "getcwd", "");

export const pid = (): number => native.pid();

/** The effective user and group. */
export const credentials = (): { uid: number; gid: number } => ({ uid: native.uid(), gid: native.gid() });

/** 0 in the child. Only before the loop exists: two processes must not share one epoll set. Throws EINVAL after that. */
export function fork(): number {
  if (native.loopIsOpen()) throw new SystemError(EINVAL, "fork", "the loop is running");
  return check(native.fork(), "fork", "");
}

export function setsid(): void {
  check(native.setsid(), "setsid", "");
}

/** Makes `to` another name of the descriptor (it is not close-on-exec). */
export function dup2(from: Fd, to: number): void {
  check(native.dup2(from.number, to), "dup2", from.what);
}

/** From now on orphans below us become our children (PR_SET_CHILD_SUBREAPER). */
export function becomeSubreaper(): void {
  check(native.becomeSubreaper(), "prctl", "PR_SET_CHILD_SUBREAPER");
}

/** The name that ps shows; the kernel cuts it at 15 bytes. */
export function setName(name: string): void {
  check(native.setName(name), "prctl", "PR_SET_NAME");
}

/** Keeps a small process small: no 2 MiB pages (PR_SET_THP_DISABLE). */
export function disableHugePages(): void {
  check(native.disableHugePages(), "prctl", "PR_SET_THP_DISABLE");
}

/** A new core scheduling cookie for the process group (PR_SCHED_CORE, Linux 5.14). */
export function scheduleCoreCreate(): void {
  check(native.scheduleCoreCreate(), "prctl", "PR_SCHED_CORE");
}

/** A mount namespace of our own; the parent's mounts still arrive in it, ours stay in it (MS_SLAVE on /, recursively). */
export function unshareMounts(): void {
  check(native.unshareMounts(), "unshare", "CLONE_NEWNS");
}

/** Moves this process into a network namespace (setns(2)). */
export function enterNetwork(namespace: Fd): void {
  check(native.enterNetwork(namespace.number), "setns", namespace.what);
}

/**
 * Gives up all capabilities but these, for good: from the bounding, permitted, effective, inheritable and ambient sets,
 * and sets no_new_privs. Throws a TypeError for a name that is no capability.
 */
export function dropCapabilities(keep: readonly string[]): void {
  const { low, high } = capabilityMask(keep);
  check(native.dropCapabilities(low, high), "capset", keep.join(","));
}

/** Sends a signal; throws ESRCH where there is no such process. For a child of ours use Child.kill, which cannot hit another. */
export function kill(pid: number, signal: number): void {
  check(native.kill(pid, signal), "kill", `process ${pid}`);
}

/** The errno of a process that is gone. */
export const isGone = (result: number): boolean => result === -ESRCH;
