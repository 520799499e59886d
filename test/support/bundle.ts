// Root file systems and OCI bundles of nothing but busybox, for tests that drive a shim by hand.
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Debian's busybox-static. */
const BUSYBOX = "/bin/busybox";
const applets =
  "sh cat echo sleep true false id ls stty dd kill seq env pwd head wc trap mkfifo ps yes tail touch".split(" ");

/** A root file system with busybox's most used commands. */
export function makeRootfs(path: string): string {
  for (const name of ["bin", "proc", "sys", "dev", "tmp", "etc"]) mkdirSync(join(path, name), { recursive: true });
  copyFileSync(BUSYBOX, join(path, "bin/busybox"));
  for (const applet of applets) symlinkSync("busybox", join(path, "bin", applet));
  writeFileSync(join(path, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
  return path;
}

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

/** Makes the bundle directory with its config.json. */
export function makeBundle(path: string, spec: object): string {
  mkdirSync(join(path, "rootfs"), { recursive: true });
  writeFileSync(join(path, "config.json"), JSON.stringify(spec));
  return path;
}
