import { chownSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { LayerLayout, Stack } from "./layer-layout.ts";
import type { OverlaySupport } from "./overlay-support.ts";

/** Lower directories that the kernel takes (fs/overlayfs/params.h). */
const OVL_MAX_STACK = 500;

/**
 * Layers as directories that overlayfs stacks: `snapshots/<id>/fs` is the layer, `work` what the kernel needs
 * beside a writable one. Mounts are those that containerd's overlayfs snapshotter gives.
 */
export function overlayLayout(root: string, support: OverlaySupport): LayerLayout {
  const directory = join(root, "io.containerd.snapshotter.v1.overlayfs", "snapshots");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const fs = (id: number): string => join(directory, String(id), "fs");
  return {
    name: "overlayfs",
    refusal: support.refusal,
    directory,
    ownDirectory: fs,
    mostParents: OVL_MAX_STACK,
    needed: ({ id, parents, kind }) => [
      // A view of others shows nothing of its own.
      ...(kind === "view" && parents.length > 0 ? parents : [id, ...parents]).map((each) => [fs(each), each] as const),
      ...(kind === "active" ? [[join(directory, String(id), "work"), id] as const] : []),
    ],
    directories: ({ id, parents }) => [id, ...parents].map(fs),
    // Synchronous inside: a directory is made in less time than the thread pool needs to hear of it.
    async make({ id, parents, kind }) {
      mkdirSync(join(directory, String(id)), { mode: 0o700 });
      mkdirSync(fs(id), { mode: 0o755 });
      if (kind === "active") mkdirSync(join(directory, String(id), "work"), { mode: 0o711 });
      const [parent] = parents;
      if (parent === undefined) return;
      const { uid, gid } = statSync(fs(parent));
      if (uid !== 0 || gid !== 0) chownSync(fs(id), uid, gid);
    },
    mounts({ id, parents, kind }: Stack) {
      const writable = kind === "active";
      const bind = (source: string, mode: string) => [{ type: "bind", source, target: "", options: [mode, "rbind"] }];
      const [nearest] = parents;
      if (nearest === undefined) return bind(fs(id), writable ? "rw" : "ro");
      if (!writable && parents.length === 1) return bind(fs(nearest), "ro");
      const upper = writable ? [`workdir=${join(directory, String(id), "work")}`, `upperdir=${fs(id)}`] : [];
      const options = [...support.options, ...upper, `lowerdir=${parents.map(fs).join(":")}`];
      return [{ type: "overlay", source: "overlay", target: "", options }];
    },
  };
}
