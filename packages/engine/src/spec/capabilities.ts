import { invalidArgument } from "@berth/base";
import type { OciCapabilities } from "../oci.ts";

/** Every capability by its number (capabilities(7), linux/capability.h). */
export const allCapabilities: readonly string[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
].map((name) => `CAP_${name}`);

/** In containerd's order. */
export const defaultCapabilities: readonly string[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
].map((name) => `CAP_${name}`);

/** The capabilities that a process has, given as the mask of /proc/PID/status (CapEff, CapBnd) in hex. */
export function capabilitiesOfMask(hex: string): string[] {
  const mask = BigInt(`0x${hex}`);
  return allCapabilities.filter((_, bit) => ((mask >> BigInt(bit)) & 1n) === 1n);
}

/** `sys_admin` and `CAP_SYS_ADMIN` as the latter. Throws invalid-argument for one that is not known. */
export function capabilityName(given: string): string {
  const upper = given.toUpperCase();
  const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (!allCapabilities.includes(name))
    throw invalidArgument(`capability ${JSON.stringify(given)} is not known: capabilities(7) lists them`);
  return name;
}

/**
 * The start set with capabilities added and dropped; ALL stands for every one in `all`. Dropping ALL comes first. Throws
 * invalid-argument for one that is added and dropped by name.
 */
export function changeCapabilities(
  start: readonly string[],
  change: { readonly add: readonly string[]; readonly drop: readonly string[]; readonly all: readonly string[] },
): string[] {
  const isAll = (name: string) => /^(CAP_)?ALL$/i.test(name);
  const set = new Set(change.drop.some(isAll) ? [] : start);
  if (change.add.some(isAll)) for (const name of change.all) set.add(name);
  const dropped = change.drop.filter((name) => !isAll(name)).map(capabilityName);
  for (const given of change.add.filter((name) => !isAll(name))) {
    const name = capabilityName(given);
    if (dropped.includes(name)) throw invalidArgument(`capability ${name} is both added and dropped: do one`);
    set.add(name);
  }
  for (const name of dropped) set.delete(name);
  return [...set];
}

/** The sets of a process: what it may have is what it has; nothing is inheritable (CVE-2022-24769). */
export function capabilitySets(names: readonly string[]): OciCapabilities {
  return { bounding: [...names], effective: [...names], permitted: [...names] };
}
