import { chmod, stat } from "node:fs/promises";

/** Who may go through a directory, and what only its owner may: list it and write to it. */
const PASSABLE = 0o711;

/**
 * Lets everybody go through a directory of ours that an earlier version, or a strict umask, has closed: root of a
 * container's user namespace reaches its rootfs by the path.
 */
export async function openDirectory(path: string): Promise<void> {
  const mode = (await stat(path)).mode & 0o7777;
  if ((mode & PASSABLE) !== PASSABLE) await chmod(path, mode | PASSABLE);
}
