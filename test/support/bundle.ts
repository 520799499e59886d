// Root file systems and OCI bundles of nothing but busybox, for tests that drive a shim by hand.
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export { ociProcess, ociSpec, type SpecOptions } from "./oci-spec.ts";

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

/** Makes the bundle directory with its config.json. */
export function makeBundle(path: string, spec: object): string {
  mkdirSync(join(path, "rootfs"), { recursive: true });
  writeFileSync(join(path, "config.json"), JSON.stringify(spec));
  return path;
}
