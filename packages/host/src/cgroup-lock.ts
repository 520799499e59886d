import { native } from "berth:native";
import type { Fd } from "./fd.ts";
import { check } from "./system-error.ts";

/** Less than a grace period of RCU, which is two ticks at the least (8 ms where the kernel has 250 a second). */
const BETWEEN_US = 4000;
/** No longer than a quarter of a second: a process that has not come by then is slow for other reasons. */
const TIMES = 60;

/**
 * Has the kernel's lock for moving processes between cgroups ready for somebody who will soon take it, until disposed,
 * but 240 ms at most. Without it, moving the first process after a while takes some 10 ms. `tasks` is the file that takes
 * thread ids (`tasks` of cgroup v1, `cgroup.threads` of v2) of the cgroup that this process is in; it is taken over. A
 * kernel that refuses costs only the time that would have been saved.
 */
export function readyCgroupLock(tasks: Fd): Disposable {
  check(native.cgroupLockKeep(tasks.release(), BETWEEN_US, TIMES), "pthread_create", "");
  return { [Symbol.dispose]: () => void native.cgroupLockLeave() };
}
