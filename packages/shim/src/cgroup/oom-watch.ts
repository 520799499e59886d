// Kills for lack of memory, told when they happen.
import { eventCounter, type Fd, isCode, O, open, read, readTextAgain, type Watch, watch, write } from "@berth/host";
import { parseKeyed } from "./cgroup-files.ts";
import type { Cgroup } from "./cgroup-path.ts";
import { readCgroupFile } from "./cgroup-reader.ts";

/** Version 1 tells before it kills (mem_cgroup_oom in mm/memcontrol-v1.c): when to look again, in milliseconds. */
const LOOKS_MS = [2, 20, 200];

export interface OomWatch {
  /** Says what has not been said yet: an exit comes after the kill that caused it. */
  look(): void;
  close(): void;
}

/**
 * Calls `told` each time the kernel has killed in the cgroup since the last call, or since now. Watches nothing where
 * there is no memory controller. A cgroup that is removed ends the watch.
 */
export function watchOom(cgroup: Cgroup | null, told: () => void): OomWatch {
  const directory = cgroup === null ? undefined : cgroup.directories[cgroup.version === 1 ? "memory" : ""];
  if (cgroup === null || directory === undefined) return { look() {}, close() {} };
  return cgroup.version === 1 ? watchControl(directory, told) : watchEvents(`${directory}/memory.events`, told);
}

/**
 * Version 2: the file is polled for an exceptional condition, which it has each time it changes and until it is read
 * (cgroup-v2.rst, kernfs_generic_poll). inotify would tell the same, but a user has 128 instances of it by default,
 * and one shim a container would use them up.
 */
function watchEvents(path: string, told: () => void): OomWatch {
  let file: Fd | null = openIfThere(path);
  let watching: Watch | null = null;
  let before = 0n;
  const close = () => {
    watching?.close();
    file?.close();
    file = null;
  };
  /** null where the cgroup is gone. */
  const kills = (): bigint | null => {
    if (file === null) return null;
    try {
      return parseKeyed(readTextAgain(file)).oom_kill ?? 0n;
    } catch (error) {
      if (!isCode(error, "ENODEV", "ENOENT")) throw error;
      close();
      return null;
    }
  };
  const look = () => {
    const now = kills();
    if (now === null || now <= before) return;
    before = now;
    told();
  };
  before = kills() ?? 0n;
  if (file !== null) watching = watch(file, { priority: true }, look);
  return { look, close };
}

/**
 * Version 1: an eventfd that the kernel counts up when the cgroup runs out of memory, and once more when it is
 * removed (cgroup-v1/memory.rst, section 10). Where killing is switched off, being out of memory is told.
 */
function watchControl(directory: string, told: () => void): OomWatch {
  const control = () => {
    const text = readCgroupFile(directory, "memory.oom_control");
    return text === null ? null : parseKeyed(text);
  };
  let before = control()?.oom_kill ?? 0n;
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const counter = register(directory);
  const close = () => {
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
    watching?.close();
    counter?.close();
  };
  const look = () => {
    const now = control()?.oom_kill ?? 0n;
    if (now <= before) return false;
    before = now;
    told();
    return true;
  };
  const lookAgain = (attempt: number) => {
    const state = control();
    if (state === null) return close();
    if (look()) return;
    const ms = LOOKS_MS[attempt];
    if (ms === undefined) {
      if (state.under_oom === 1n && state.oom_kill_disable === 1n) told();
      return;
    }
    const timer = setTimeout(() => {
      timers.delete(timer);
      lookAgain(attempt + 1);
    }, ms);
    timers.add(timer);
  };
  const watching =
    counter === null
      ? null
      : watch(counter, { readable: true }, () => {
          read(counter, 8);
          lookAgain(0);
        });
  return { look: () => void look(), close };
}

/** null where the cgroup is gone already: its process may have ended. */
function register(directory: string): Fd | null {
  using file = openIfThere(`${directory}/memory.oom_control`);
  if (file === null) return null;
  const counter = eventCounter();
  try {
    using registry = open(`${directory}/cgroup.event_control`, O.WRONLY);
    write(registry, new TextEncoder().encode(`${counter.number} ${file.number}`));
    return counter;
  } catch (error) {
    counter.close();
    if (isCode(error, "ENOENT", "ENODEV")) return null;
    throw error;
  }
}

function openIfThere(path: string): Fd | null {
  try {
    return open(path, O.RDONLY);
  } catch (error) {
    if (isCode(error, "ENOENT", "ENODEV")) return null;
    throw error;
  }
}
