import { native } from "berth:native";
import { check } from "./system-error.ts";

/** mount(2)'s flags (linux/mount.h). */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  MANDLOCK: 64,
  DIRSYNC: 128,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  REC: 16384,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  RELATIME: 1 << 21,
  STRICTATIME: 1 << 24,
} as const;

export function mount(source: string, target: string, type: string, flags: number, data: string): void {
  check(native.mount(source, target, type, flags, data), "mount", target);
}

/** Flags: MNT_DETACH 2, UMOUNT_NOFOLLOW 8. */
export function umount(target: string, flags: number): void {
  check(native.umount(target, flags), "umount", target);
}
