import { mkdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../run.ts";
import type { LayerLayout, Stack } from "./layer-layout.ts";

/** Layers as whole copies: works on any filesystem, and shares blocks where the filesystem can (reflink). */
export function nativeLayout(root: string): LayerLayout {
  const directory = join(root, "io.containerd.snapshotter.v1.native", "snapshots");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const at = (id: number): string => join(directory, String(id));
  // A view with a parent shows that one's own directory.
  const shown = ({ id, parents, kind }: Stack): string => at(kind === "view" ? (parents[0] ?? id) : id);
  return {
    name: "native",
    refusal: "",
    directory,
    ownDirectory: at,
    mostParents: Number.POSITIVE_INFINITY,
    needed: (stack) => [[shown(stack), stack.kind === "view" ? (stack.parents[0] ?? stack.id) : stack.id]],
    directories: (stack) => [shown(stack)],
    async make({ id, parents, kind }) {
      await mkdir(at(id), { mode: 0o755 });
      const [parent] = parents;
      if (parent !== undefined && kind === "active")
        await run(
          "cp",
          ["-a", "--reflink=auto", "--", `${at(parent)}/.`, `${at(id)}/`],
          root,
          `copying snapshot ${parent}`,
        );
    },
    mounts: (stack) => [
      {
        type: "bind",
        source: shown(stack),
        target: "",
        options: ["rbind", stack.kind === "active" ? "rw" : "ro"],
      },
    ],
  };
}
