// The runtime is about to put a process into a cgroup.
import { type Fd, isCode, O, open, readText, readyCgroupLock } from "@berth/host";
import { locateCgroup, parseProcCgroup, threadsFile } from "./cgroup-path.ts";
import { parseMountinfo } from "./mountinfo.ts";

/** What /proc/self/cgroup said when `file` was found: both are kept, because looking through all mounts takes long. */
let known: { readonly cgroups: string; readonly file: string | null } | null = null;

function openThreadsFile(): Fd | null {
  const cgroups = readText("/proc/self/cgroup");
  if (known?.cgroups !== cgroups) {
    const mounts = parseMountinfo(readText("/proc/self/mountinfo", 64 << 20));
    known = { cgroups, file: threadsFile(locateCgroup(parseProcCgroup(cgroups), mounts)) };
  }
  return known.file === null ? null : open(known.file, O.WRONLY);
}

/**
 * While it is in use, a run of the runtime that moves a process into a cgroup does not wait for the kernel's lock: with
 * runc that is a third of an exec. Nothing where our own cgroup's files are not there or not for us to write.
 */
export function cgroupMoveAhead(): Disposable | null {
  try {
    const file = openThreadsFile();
    return file === null ? null : readyCgroupLock(file);
  } catch (error) {
    if (isCode(error, "ENOENT", "EACCES", "EPERM", "EROFS", "ENODEV", "EAGAIN")) return null;
    throw error;
  }
}
