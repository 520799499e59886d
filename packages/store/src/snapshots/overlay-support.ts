import { mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { kindOf, messageOf } from "@berth/base";
import type { Core } from "../core.ts";
import { isNoSpace } from "../full-disk.ts";

/** Makes an overlay in the empty directory and checks what layers need of it; rejects with what does not work. */
export type TryOverlay = (trial: { readonly directory: string; readonly options: readonly string[] }) => Promise<void>;

export interface OverlaySupport {
  /** Why overlayfs cannot be used; empty if it can. */
  readonly refusal: string;
  /** Options of each overlay. */
  readonly options: readonly string[];
}

/**
 * Whether overlayfs works on the root's file system. A success is remembered for a kernel and a file system; a failure is
 * not, so that a start finds out when its cause is gone. Without `tryOverlay` nothing is tried: the caller mounts nothing.
 */
export async function overlaySupport(core: Core, tryOverlay: TryOverlay | null): Promise<OverlaySupport> {
  const { db, log, root } = core;
  const options = overlayOptions();
  const key = "overlay-works";
  const asked = `${release()} ${statSync(root).dev} ${options.join(",")}`;
  const works = { refusal: "", options };
  if (tryOverlay === null || db.get<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)?.value === asked)
    return works;
  const directory = join(root, "io.containerd.snapshotter.v1.overlayfs", "probe");
  try {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    await tryOverlay({ directory, options });
  } catch (error) {
    // A full disk says nothing about overlayfs.
    if (isNoSpace(error) || kindOf(error) === "resource-exhausted") return works;
    const refusal = messageOf(error);
    log.warn("overlayfs does not work on the root's file system: the native snapshotter takes its place", {
      path: root,
      err: refusal,
    });
    return { refusal, options };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  db.transaction(() => db.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, asked), "frees");
  return works;
}

function overlayOptions(): string[] {
  const inUserNamespace = !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
  return [
    // An index ties upper to lower directories and refuses lower ones that are shared or were moved
    // (Documentation/filesystems/overlayfs.rst, "Inode properties").
    ...(statSync("/sys/module/overlay/parameters/index", { throwIfNoEntry: false }) ? ["index=off"] : []),
    // In a user namespace overlayfs keeps its marks in user.* attributes (Linux 5.11).
    ...(inUserNamespace ? ["userxattr"] : []),
  ];
}
