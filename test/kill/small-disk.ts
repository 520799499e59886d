// A small ext4 disk in a file, on a loop device, whose power can be cut: what was never synchronized is lost then.
import { execFileSync } from "node:child_process";
import { closeSync, copyFileSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";

const BLOCK = Buffer.alloc(64 << 10, 0x5a);

export interface SmallDisk {
  readonly path: string;
  /** Bytes. */
  free(): number;
  /** Takes every block that is free. */
  fill(): void;
  /** Gives back what `fill` has taken. */
  empty(): void;
  /** The disk as it is without what the kernel had not written yet. Nothing may run on it. */
  cutPower(): void;
  remove(): void;
}

/** Makes the disk and mounts it; `folder` is for its file, on another disk. */
export function makeSmallDisk(path: string, folder: string, megabytes: number): SmallDisk {
  const file = join(folder, "disk.img");
  const filler = join(path, "filler");
  const mount = () => execFileSync("mount", ["-o", "loop", file, path]);
  mkdirSync(path, { recursive: true });
  execFileSync("truncate", ["-s", `${megabytes}M`, file]);
  execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", file]);
  mount();
  return {
    path,
    free() {
      const { bavail, bsize } = statfsSync(path);
      return bavail * bsize;
    },
    fill() {
      const fd = openSync(filler, "a");
      try {
        for (let size = BLOCK.length; size >= 512; ) {
          try {
            writeSync(fd, BLOCK, 0, size);
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
            size /= 2;
          }
        }
      } finally {
        closeSync(fd);
      }
    },
    empty: () => rmSync(filler, { force: true }),
    cutPower() {
      // Before the unmount, which writes what is missing; the file has what the file system has written to its device.
      copyFileSync(file, `${file}.cut`);
      execFileSync("umount", [path]);
      execFileSync("mv", [`${file}.cut`, file]);
      mount();
    },
    remove: () => void execFileSync("umount", [path]),
  };
}
