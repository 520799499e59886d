// Makes and unmakes a container's root file system.
import { unknownError } from "@berth/base";
import { isCode, MS, mkdir, mount, O, open, readText, stat, umount } from "@berth/host";
import type { Mount } from "@berth/proto/containerd/types";
import { commonLowerDirectory, type FlagName, moveLower, planMount } from "./mount-options.ts";
import { mountsBelow, parseMountinfo } from "./mountinfo.ts";
import { joinPath } from "./paths.ts";
import { reasonOfSystem } from "./system-reason.ts";

/** mount(2) takes one page of options, with its NUL. */
const PAGE = 4096;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const bits = (flags: readonly FlagName[]): number => flags.reduce((sum, flag) => sum | MS[flag], 0);

/** Makes the mounts one upon the other; those that were made are taken back where one fails. */
export function mountRootfs(rootfs: string, mounts: readonly Mount[]): void {
  if (mounts.length === 0) return;
  if (stat(rootfs) === null) mkdir(rootfs, 0o711);
  try {
    for (const each of mounts) mountComponent(rootfs, each);
  } catch (error) {
    unmountAll(rootfs);
    throw error;
  }
}

/** The text is containerd's. */
function mountComponent(rootfs: string, component: Mount): void {
  try {
    mountOne(rootfs, component);
  } catch (error) {
    const { type, source, options } = component;
    const named = `&{${type} ${source} [${options.join(" ")}]}`;
    throw unknownError(`failed to mount rootfs component ${named}: ${reasonOfSystem(error)}: unknown`, {
      cause: error,
    });
  }
}

function mountOne(rootfs: string, { type, source, target, options }: Mount): void {
  const at = target === "" ? rootfs : joinPath(rootfs, target);
  if (at !== rootfs && !at.startsWith(`${rootfs}/`))
    throw new Error(`mount target ${JSON.stringify(target)} leaves the rootfs`);
  const plan = planMount(options);
  const flags = bits(plan.flags);
  const data = plan.data.join(",");
  // A mount that only changes the propagation of one that is there.
  if (!(plan.propagation.length > 0 && type === "" && source === "")) {
    if (data.length < PAGE) mount(source, at, type, flags, data);
    else mountWithShortPaths(source, at, type, flags, plan.data);
  }
  // Binding ignores all other flags until the mount is remounted (mount(2)).
  if (plan.flags.includes("BIND") && plan.flags.some((flag) => flag !== "BIND" && flag !== "REC" && flag !== "REMOUNT"))
    mount("", at, "", flags | MS.REMOUNT, "");
  for (const spread of plan.propagation) mount("", at, "", bits(spread), "");
}

/** An overlay of many layers: seen from a descriptor of the directory that holds them all, their paths fit. */
function mountWithShortPaths(source: string, at: string, type: string, flags: number, data: readonly string[]): void {
  const directory = type === "overlay" ? commonLowerDirectory(data) : null;
  const held = directory === null ? null : open(directory, O.PATH | O.DIRECTORY);
  try {
    const short = (held === null ? data : moveLower(data, directory as string, `/proc/self/fd/${held.number}`)).join(
      ",",
    );
    if (short.length >= PAGE)
      throw new Error(`mount options of ${short.length} bytes are more than a page (${PAGE}): use fewer layers`);
    mount(source, at, type, flags, short);
  } finally {
    held?.close();
  }
}

/** Unmounts everything at and below a path, however deep and often. A path that is not mounted is fine. */
export function unmountAll(path: string): void {
  for (const point of mountsBelow(parseMountinfo(readText("/proc/self/mountinfo", 64 << 20)), path)) {
    try {
      umount(point, UMOUNT_NOFOLLOW);
    } catch (error) {
      if (isCode(error, "EINVAL", "ENOENT")) continue; // somebody else was faster
      if (!isCode(error, "EBUSY")) throw error;
      umount(point, UMOUNT_NOFOLLOW | MNT_DETACH);
    }
  }
}
