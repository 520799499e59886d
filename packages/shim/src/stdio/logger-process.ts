// A program that reads a container's output itself (`binary://`): descriptors 3 and 4 are stdout and stderr, and
// it closes 5, or writes to it, when it is ready.
import { BerthError } from "@berth/base";
import { type Child, type Fd, isCode, kill, pipe, read, readText, spawn, watch } from "@berth/host";
import { within } from "../within.ts";
import type { Logger } from "./stdio-target.ts";

const READY_MS = 10_000;
/** Of a process that is ending (PF_EXITING in linux/sched.h): its descriptors are closed a little before its exit. */
const EXITING = 4;
const SIGTERM = 15;
const SIGKILL = 9;
/** How long a logger may take to end by itself once it has everything, and then after SIGTERM. */
const GRACE_MS = 1000;
const TERM_MS = 12_000;

export interface LoggerProcess {
  readonly name: string;
  /** Its status, once it has ended. */
  readonly ended: Promise<number>;
  /** Whether it, or something that it has started in its process group, may still read. */
  isThere(): boolean;
  /** Has it end: by itself, now that its input has ended, else by signals. */
  close(): Promise<void>;
}

/** Resolves when the logger is ready. `stdout` and `stderr` are the read ends, which it inherits. */
export async function startLogger(
  logger: Logger,
  stdout: Fd,
  stderr: Fd,
  container: string,
  namespace: string,
): Promise<LoggerProcess> {
  const name = logger.argv[0] ?? "";
  const ready = pipe();
  let child: Child;
  try {
    child = spawn({
      argv: logger.argv,
      // Only what it needs: a logger is not the container's, and knows nothing of the daemon.
      env: [`CONTAINER_ID=${container}`, `CONTAINER_NAMESPACE=${namespace}`],
      extraFds: [stdout, stderr, ready.write],
      setpgid: true,
    });
  } catch (error) {
    ready.read.close();
    throw error;
  } finally {
    ready.write.close();
  }
  const ended = child.exited.then(({ status }) => status);
  try {
    const problem = await untilReady(ready.read, child.pid, ended, logger.mustSay);
    if (problem !== "") throw new BerthError("unknown", `logging binary ${JSON.stringify(name)} ${problem}: unknown`);
  } catch (error) {
    child.kill(SIGKILL);
    throw error;
  } finally {
    ready.read.close();
  }
  return { name, ended, isThere: () => groupExists(child.pid), close: () => endLogger(child) };
}

/** Resolves with what is wrong with it; empty: nothing. */
async function untilReady(fd: Fd, pid: number, ended: Promise<number>, mustSay: boolean): Promise<string> {
  let tell: (said: boolean) => void = () => {};
  const first = new Promise<boolean>((resolve) => {
    tell = resolve;
  });
  using _ = watch(fd, { readable: true }, () => {
    const bytes = read(fd, 1);
    if (bytes !== null) tell(bytes.length > 0);
  });
  const said = await within(READY_MS, first);
  if (said === null) return `was not ready within ${READY_MS / 1000} s`;
  if (said) return "";
  const status = isEnding(pid) ? await ended : null;
  if (status !== null && (status !== 0 || mustSay)) return `ended with status ${status} before it was ready`;
  return mustSay ? "closed its descriptor 5 without writing a byte to it" : "";
}

/** Whether it has closed its descriptors by ending. */
function isEnding(pid: number): boolean {
  try {
    const text = readText(`/proc/${pid}/stat`);
    // After the name, which may hold anything: state, ppid, pgrp, session, tty_nr, tpgid, flags (proc(5)).
    const flags = text.slice(text.lastIndexOf(")") + 2).split(" ")[6];
    return (Number(flags) & EXITING) !== 0;
  } catch (error) {
    if (isCode(error, "ENOENT", "ESRCH")) return true;
    throw error;
  }
}

function groupExists(leader: number): boolean {
  try {
    kill(-leader, 0);
    return true;
  } catch {
    return false; // ESRCH: signal 0 has no other failure for root
  }
}

async function endLogger(child: Child): Promise<void> {
  if ((await within(GRACE_MS, child.exited)) !== null) return;
  child.kill(SIGTERM);
  if ((await within(TERM_MS, child.exited)) !== null) return;
  child.kill(SIGKILL);
  await child.exited;
}
