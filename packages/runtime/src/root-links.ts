// What a runtime would follow out of a container's root is looked for in the layers, before there is a mount or a shim:
// whatever shim it is.
import { checkPlainPaths, type Mount, plainPaths } from "@berth/base";
import type { Any } from "@berth/proto/google/protobuf";
import { readLinkInSnapshot } from "@berth/store";

/** Throws failed-precondition for a root in whose place a link would have the runtime change the host. */
export function checkRootLinks(spec: Any | null, rootfs: readonly Mount[]): void {
  const parsed = spec === null ? null : parsedSpec(spec.value);
  if (parsed === null) return;
  const directories = rootfs.length === 0 ? ownRoot(parsed) : directoriesOf(rootfs);
  if (directories.length > 0) checkPlainPaths(plainPaths(parsed), (path) => readLinkInSnapshot(directories, path));
}

/** null: not JSON, which the runtime says better. */
function parsedSpec(json: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString("utf8"));
  } catch {
    return null;
  }
}

/** A root that somebody else has mounted, as Docker does. */
function ownRoot(spec: unknown): string[] {
  const path = (spec as { root?: { path?: unknown } }).root?.path;
  return typeof path === "string" && path.startsWith("/") ? [path] : [];
}

/** Topmost first; none for mounts that cannot be looked into before they are made: a device, a chain of mounts. */
function directoriesOf(mounts: readonly Mount[]): string[] {
  const [mount] = mounts;
  if (mount === undefined || mounts.length > 1) return [];
  const { type, source, options } = mount;
  if (type === "bind" || options.includes("bind") || options.includes("rbind")) return [source];
  if (type !== "overlay") return [];
  const valuesOf = (key: string): string[] =>
    options.filter((option) => option.startsWith(`${key}=`)).map((option) => option.slice(key.length + 1));
  return [...valuesOf("upperdir"), ...valuesOf("lowerdir").flatMap((paths) => paths.split(":"))];
}
