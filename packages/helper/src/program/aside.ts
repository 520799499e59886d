// Calls that may wait for a disk: each is a command of this program, so that what it waits for holds up nobody else.
import { native } from "berth:native";
import { messageOf } from "@berth/base";
import { check, isCode, MS, mount, printError, SystemError, umount, unlink, writeFile } from "@berth/host";

declare module "berth:native" {
  interface Native {
    /** syncfs(2) of the file system that a path is on. */
    syncfs(path: string): Result;
    /** A network namespace of our own (unshare(2)), with its loopback interface up. */
    unshareNetwork(): Result;
  }
}

/** mount(2) */
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const commands: Readonly<Record<string, (paths: readonly string[]) => void>> = {
  syncfs(paths) {
    for (const path of paths) check(native.syncfs(path), "syncfs", path);
  },
  /** All of them are tried; the first that fails is told. */
  unmount(paths) {
    const failures = paths.flatMap((path) => {
      try {
        umount(path, MNT_DETACH | UMOUNT_NOFOLLOW);
        return [];
      } catch (error) {
        // Nothing is mounted there any more.
        return isCode(error, "EINVAL") ? [] : [error];
      }
    });
    if (failures.length > 0) throw failures[0];
  },
  /** Each path becomes a name of a new network namespace, which lives for as long as it is mounted there. */
  netns(paths) {
    for (const path of paths) {
      writeFile(path, "", { mode: 0o444, exclusive: true });
      try {
        check(native.unshareNetwork(), "unshare", "CLONE_NEWNET");
        mount("/proc/self/ns/net", path, "none", MS.BIND, "");
      } catch (error) {
        unlink(path);
        throw error;
      }
    }
  },
};

/** Does what the words ask for, and says what the program ends with. What fails is told as `CODE message`. */
export function doAside([name = "", ...paths]: readonly string[]): number {
  try {
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined) throw new Error(`berth-launch has no command ${JSON.stringify(name)}`);
    command(paths);
    return 0;
  } catch (error) {
    printError(`${error instanceof SystemError ? error.code : "-"} ${messageOf(error)}\n`);
    return 1;
  }
}
