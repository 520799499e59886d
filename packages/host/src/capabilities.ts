/** capabilities(7), in the kernel's order (linux/capability.h); the position is the number. */
const names =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN " +
  "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE " +
  "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

/** The 64-bit mask of these CAP_… names, in two halves. */
export function capabilityMask(keep: readonly string[]): { low: number; high: number } {
  const known = names.split(" ");
  let low = 0;
  let high = 0;
  for (const name of keep) {
    const number = known.indexOf(name.replace(/^CAP_/, ""));
    if (number < 0) throw new TypeError(`${JSON.stringify(name)} is no capability: use names such as CAP_CHOWN`);
    if (number < 32) low |= 1 << number;
    else high |= 1 << (number - 32);
  }
  return { low, high };
}
