// OCI specifications of containers that tests make; no Node, so that programs on the host can make them too.

export interface SpecOptions {
  readonly args: readonly string[];
  readonly terminal?: boolean;
  readonly cgroupsPath?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Default: yes. */
  readonly privatePids?: boolean;
  readonly memoryLimit?: number;
}

/** An OCI process of the container's root. */
export const ociProcess = (args: readonly string[], terminal = false) => ({
  terminal,
  user: { uid: 0, gid: 0 },
  args,
  env: ["PATH=/bin"],
  cwd: "/",
  noNewPrivileges: true,
});

/** An OCI specification for a rootfs in the bundle's `rootfs`. */
export function ociSpec(options: SpecOptions): object {
  const { args, terminal = false, cgroupsPath, annotations = {}, privatePids = true, memoryLimit } = options;
  const namespaces = ["ipc", "uts", "mount", ...(privatePids ? ["pid"] : [])].map((type) => ({ type }));
  return {
    ociVersion: "1.0.2",
    process: ociProcess(args, terminal),
    root: { path: "rootfs" },
    hostname: "test",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance"] },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs" },
    ],
    annotations,
    linux: {
      namespaces,
      ...(cgroupsPath === undefined ? {} : { cgroupsPath }),
      resources: memoryLimit === undefined ? {} : { memory: { limit: memoryLimit } },
    },
  };
}
