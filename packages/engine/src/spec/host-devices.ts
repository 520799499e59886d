import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { OciDevice } from "../oci.ts";

/** What a container has of its own. */
const own = new Set(["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"]);
const S_IFMT = 0o170000;
const S_IFBLK = 0o060000;
const S_IFCHR = 0o020000;

/** The device nodes below /dev: for privileged containers. */
export async function hostDevices(directory = "/dev"): Promise<OciDevice[]> {
  const devices: OciDevice[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (directory === "/dev" && own.has(entry.name)) continue;
    if (entry.isDirectory()) devices.push(...(await hostDevices(path)));
    else if (entry.isBlockDevice() || entry.isCharacterDevice()) {
      const { mode, rdev, uid, gid } = await lstat(path);
      const kind = mode & S_IFMT;
      if (kind !== S_IFBLK && kind !== S_IFCHR) continue;
      devices.push({
        path,
        type: kind === S_IFBLK ? "b" : "c",
        // makedev(3): twelve bits of major in the middle of the number, minor around them.
        major: Math.floor(rdev / 256) & 0xfff,
        minor: (rdev & 0xff) | ((Math.floor(rdev / 4096) & 0xffffff00) >>> 0),
        fileMode: mode & 0o7777,
        uid,
        gid,
      });
    }
  }
  return devices;
}
