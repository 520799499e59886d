// Makes and unmakes a container's root file system.
import { unknownError } from "@berth/base";
import { fitsPage, isCode, MS, mkdir, mount, readText, stat, umount } from "@berth/host";
import type { Mount } from "@berth/proto/containerd/types";
import { mountsBelow, parseMountinfo } from "../mountinfo.ts";
import { joinPath } from "../paths.ts";
import { reasonOfSystem } from "../system-reason.ts";
import { type FlagName, planMount } from "./mount-options.ts";

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const bits = (flags: readonly FlagName[]): number => flags.reduce((sum, flag) => sum | MS[flag], 0);

/** Makes the mounts one upon the other; those that were made are taken back where one fails. */
export async function mountRootfs(rootfs: string, mounts: readonly Mount[]): Promise<void> {
  if (mounts.length === 0) return;
  if (stat(rootfs) === null) mkdir(rootfs, 0o711);
  try {
    for (const each of mounts) await mountComponent(rootfs, each);
  } catch (error) {
    unmountAll(rootfs);
    throw error;
  }
}

/** The text is containerd's. */
async function mountComponent(rootfs: string, component: Mount): Promise<void> {
  try {
    await mountOne(rootfs, component);
  } catch (error) {
    const { type, source, options } = component;
    const named = `&{${type} ${source} [${options.join(" ")}]}`;
    throw unknownError(`failed to mount rootfs component ${named}: ${reasonOfSystem(error)}: unknown`, {
      cause: error,
    });
  }
}

async function mountOne(rootfs: string, { type, source, target, options }: Mount): Promise<void> {
  const at = target === "" ? rootfs : joinPath(rootfs, target);
  if (at !== rootfs && !at.startsWith(`${rootfs}/`))
    throw new Error(`mount target ${JSON.stringify(target)} leaves the rootfs`);
  const plan = planMount(options);
  const flags = bits(plan.flags);
  const data = plan.data.join(",");
  // A mount that only changes the propagation of one that is there.
  if (!(plan.propagation.length > 0 && type === "" && source === "")) {
    if (fitsPage(data)) mount(source, at, type, flags, data);
    else if (type === "overlay") (await import("./long-overlay.ts")).mountLongOverlay(source, at, flags, plan.data);
    else throw new Error(`mount options of ${data.length} bytes are more than a page`);
  }
  // Binding ignores all other flags until the mount is remounted (mount(2)).
  if (plan.flags.includes("BIND") && plan.flags.some((flag) => flag !== "BIND" && flag !== "REC" && flag !== "REMOUNT"))
    mount("", at, "", flags | MS.REMOUNT, "");
  for (const spread of plan.propagation) mount("", at, "", bits(spread), "");
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
