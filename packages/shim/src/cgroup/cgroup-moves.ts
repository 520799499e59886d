// The runtime is about to put a process into a cgroup.
import { type Fd, isCode, O, open, readText, readyCgroupLock } from "@berth/host";
import { threadsFiles } from "./cgroup-path.ts";

/** No cgroups, none of ours to write, or no descriptor for it: who needs one fails by itself. */
const missing = (error: unknown): boolean =>
  isCode(error, "ENOENT", "ENOTDIR", "EACCES", "EPERM", "EROFS", "ENODEV", "EMFILE", "ENFILE");

function tryTo<T>(call: () => T): T | null {
  try {
    return call();
  } catch (error) {
    if (missing(error)) return null;
    throw error;
  }
}

/** null if there is none that we may write: only time is lost. */
function openThreadsFile(): Fd | null {
  for (const path of threadsFiles(tryTo(() => readText("/proc/self/cgroup")) ?? "")) {
    const file = tryTo(() => open(path, O.WRONLY));
    if (file !== null) return file;
  }
  return null;
}

/**
 * While it is in use, a run of the runtime that moves a process into a cgroup does not wait for the kernel's lock: with
 * runc that is a third of an exec.
 */
export function cgroupMoveAhead(): Disposable | null {
  const file = openThreadsFile();
  try {
    return file === null ? null : readyCgroupLock(file);
  } catch (error) {
    if (isCode(error, "EAGAIN")) return null; // no more threads
    throw error;
  }
}

/** What comes between the request for an exec and the one to start it, or before a container's runtime is run. */
const SOON_MS = 20;

/** The same, for a run that has not been asked for yet and usually is within a few milliseconds. */
export function cgroupMoveSoon(): void {
  const ahead = cgroupMoveAhead();
  if (ahead !== null) setTimeout(() => ahead[Symbol.dispose](), SOON_MS);
}
