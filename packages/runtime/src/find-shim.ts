// The shim of a bundle by what the kernel knows: its command line, and the sockets that it listens on.
import { readdir, readFile, readlink } from "node:fs/promises";
import { identify, isAlive, type ProcessIdentity, tellsEnd } from "@berth/helper";
import type { Bundle } from "./bundle.ts";

/** The process that was called for this container and works in its bundle, as shims of every make do; null for none. */
export async function findShim({ namespace, id, path }: Bundle): Promise<ProcessIdentity | null> {
  for (const name of await readdir("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    // Of a kernel thread it is empty.
    const argv = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(emptyOfEnded)).split("\0");
    const has = (flag: string, value: string) => argv.some((arg, at) => arg === flag && argv[at + 1] === value);
    if (!has("-namespace", namespace) || !has("-id", id)) continue;
    const directory = await readlink(`/proc/${name}/cwd`).catch(emptyOfEnded);
    if (directory !== path && !has("-bundle", path)) continue;
    const identity = identify(Number(name));
    if (identity !== null) return identity;
  }
  return null;
}

function noneOfEnded(error: unknown): string[] {
  if (tellsEnd(error)) return [];
  throw error;
}

function emptyOfEnded(error: unknown): string {
  if (tellsEnd(error)) return "";
  throw error;
}

/** Paths of the unix sockets that a process listens on (proc_net(5): flags 00010000). */
export async function listeningPaths(process: ProcessIdentity): Promise<string[]> {
  const directory = `/proc/${process.pid}/fd`;
  const links = await Promise.all(
    (await readdir(directory).catch(noneOfEnded)).map((fd) => readlink(`${directory}/${fd}`).catch(emptyOfEnded)),
  );
  const inodes = new Set(links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
  const sockets = await readFile(`/proc/${process.pid}/net/unix`, "utf8").catch(emptyOfEnded);
  if (!isAlive(process)) return [];
  return sockets.split("\n").flatMap((line) => {
    const [, , , flags, , , inode, path] = line.trim().split(/\s+/);
    return flags === "00010000" && inodes.has(inode) && path?.startsWith("/") ? [path] : [];
  });
}
