// Mounts that only the daemon under test sees, and what it starts.

/** Starts a daemon in a mount namespace of its own, after these commands. */
export const withMounts = (...commands: string[]): string[] =>
  commands.length === 0
    ? []
    : ["unshare", "-m", "--propagation", "slave", "sh", "-c", [...commands, 'exec "$@"'].join(" && "), "sh"];

/** Where containerd has runtimes keep their state: in memory, as /run is on a machine with systemd. */
export const runcStateInMemory = "mkdir -p /run/containerd/runc && mount -t tmpfs tmpfs /run/containerd/runc";
