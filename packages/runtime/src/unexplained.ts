// Bundles and work directories that no journal and no shim explains. What a create of ours has begun and nobody was told
// of goes; anything else may be somebody's, and is put aside.
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { mountsBelow } from "@berth/base";
import { type Bundle, removeBundle } from "./bundle.ts";
import type { Context } from "./context.ts";
import { NEXT_JOURNAL } from "./journal.ts";
import { livingInit } from "./living-init.ts";
import { unmountBelow } from "./mounts.ts";

type Deps = Pick<Context, "runcRoot" | "putAside" | "log">;

/** Makes the place of the bundle free. Where it cannot be, the reason: its container runs, say. */
export async function clearUnexplained(
  context: Deps & Pick<Context, "helper">,
  bundle: Bundle,
): Promise<string | null> {
  if (wasBegunByUs(bundle)) {
    await removeBundle(context.helper, bundle);
    return null;
  }
  const init = livingInit(context.runcRoot, bundle);
  if (init !== null) return `its process ${init.pid} runs: end it first`;
  // What a snapshot tells how to mount again; anything else may hold what is nowhere else.
  await unmountBelow(context.helper, join(bundle.path, "rootfs"));
  const [mount] = mountsBelow(readFileSync("/proc/self/mountinfo", "utf8"), bundle.path);
  if (mount !== undefined) return `something is mounted at ${mount}: unmount it first`;
  if (!clearDirectory(context, bundle, "bundles")) return "it cannot be moved away";
  clearDirectory(context, bundle, "tasks");
  return null;
}

/** Removes the bundle ("bundles") or work directory ("tasks") if it is empty, else puts it aside. */
export function clearDirectory({ putAside, log }: Deps, bundle: Bundle, area: "bundles" | "tasks"): boolean {
  const { namespace, id } = bundle;
  const path = area === "bundles" ? bundle.path : bundle.work;
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    if (code !== "ENOTEMPTY" && code !== "EBUSY") throw error;
  }
  const aside = putAside(path, `${area}/${namespace}`, id);
  if (aside === null) return false;
  const what = area === "bundles" ? "a bundle" : "a task's work directory";
  log.warn(`${what} that is not known is put aside, to be deleted later`, { namespace, container: id, path: aside });
  return true;
}

/** What a create makes before its journal, which is before anything runs: with nothing else, it came no further. */
const begun = new Set([NEXT_JOURNAL, "rootfs", "work", "config.json", "log"]);

function wasBegunByUs({ path, work }: Bundle): boolean {
  const names = readdirSync(path);
  return (
    names.includes(NEXT_JOURNAL) &&
    names.every((name) => begun.has(name)) &&
    (!names.includes("rootfs") || isEmptyDirectory(join(path, "rootfs"))) &&
    (!names.includes("work") || linkAt(join(path, "work")) === work) &&
    (!names.includes("log") || lstatSync(join(path, "log")).isFIFO())
  );
}

const isEmptyDirectory = (path: string): boolean => lstatSync(path).isDirectory() && readdirSync(path).length === 0;

const linkAt = (path: string): string | null => (lstatSync(path).isSymbolicLink() ? readlinkSync(path) : null);
