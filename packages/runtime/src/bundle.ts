// A bundle is a task's directory: what the shim and the OCI runtime read, and what is left when we are gone.
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Log, messageOf } from "@berth/base";
import type { Helper } from "@berth/helper";
import type { Any } from "@berth/proto/google/protobuf";
import { beginJournal } from "./journal.ts";
import { unmountBelow } from "./mounts.ts";

/** Both below `io.containerd.runtime.v2.task`, where containerd looks as well. */
export interface Layout {
  readonly state: string;
  readonly root: string;
}

export interface Bundle {
  readonly namespace: string;
  readonly id: string;
  readonly path: string;
  readonly work: string;
}

const FOLDER = "io.containerd.runtime.v2.task";

export const layoutOf = (state: string, root: string): Layout => ({
  state: join(state, FOLDER),
  root: join(root, FOLDER),
});

/** Directories in a directory, without hidden ones, or only those. */
export function namesIn(directory: string, hidden = false): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name.startsWith(".") === hidden)
      .map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Makes the directories that bundles are below. */
export function openLayout(state: string, root: string): Layout {
  const layout = layoutOf(state, root);
  for (const directory of [layout.state, layout.root]) mkdirSync(directory, { recursive: true, mode: 0o711 });
  return layout;
}

export const bundleOf = (layout: Layout, namespace: string, id: string): Bundle => ({
  namespace,
  id,
  path: join(layout.state, namespace, id),
  work: join(layout.root, namespace, id),
});

/** Where the image is laid out that a task is restored from: as large as its memory, so not in the state directory. */
export const ownCheckpoint = (bundle: Bundle): string => join(bundle.work, "checkpoint");

/**
 * Makes a bundle's files from the container's spec. Throws EEXIST where the bundle is there; leaves nothing where it fails. Synchronous:
 * half a dozen calls on a tmpfs take less time than one trip through the thread pool.
 */
export function createBundle(bundle: Bundle, spec: Any | null): void {
  for (const directory of [dirname(bundle.path), dirname(bundle.work)])
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  mkdirSync(bundle.path, { mode: 0o700 });
  try {
    beginJournal(bundle.path);
    fillBundle(bundle, spec);
  } catch (error) {
    for (const path of [bundle.path, bundle.work]) rmSync(path, { recursive: true, force: true });
    throw error;
  }
}

function fillBundle(bundle: Bundle, spec: Any | null): void {
  const gid = spec === null ? 0 : rootGroup(spec.value);
  if (gid !== 0) {
    // Root of the container's user namespace reaches its rootfs through the bundle.
    chownSync(bundle.path, -1, gid);
    chmodSync(bundle.path, 0o710);
  }
  mkdirSync(bundle.work, { recursive: true, mode: 0o711 });
  mkdirSync(join(bundle.path, "rootfs"), { mode: 0o711 });
  symlinkSync(bundle.work, join(bundle.path, "work"));
  if (spec !== null) writeFileSync(join(bundle.path, "config.json"), spec.value);
}

/** Removes a bundle with its work directory, after unmounting what is mounted below it. */
export async function removeBundle(helper: Helper, bundle: Bundle): Promise<void> {
  for (const path of await freeBundle(helper, bundle)) rmSync(path, { recursive: true, force: true });
}

/** The same, as far as the names go; the files go once the caller has been answered, or in the sweep of the next start. */
export async function removeBundleSoon(helper: Helper, bundle: Bundle, log: Log): Promise<void> {
  const hidden = await freeBundle(helper, bundle);
  setImmediate(() => {
    for (const path of hidden) {
      try {
        // A dozen files: one by one in the thread pool they would be sixty trips there and back.
        rmSync(path, { recursive: true, force: true });
      } catch (err) {
        log.warn("what is left of a bundle waits for the next start", { path, err: messageOf(err) });
      }
    }
  });
}

async function freeBundle(helper: Helper, bundle: Bundle): Promise<string[]> {
  try {
    // Fails where something is mounted or left there, and only then is it worth looking.
    rmdirSync(join(bundle.path, "rootfs"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") await unmountBelow(helper, bundle.path);
  }
  return [hide(bundle.path), hide(bundle.work)].filter((path) => path !== null);
}

/** Removes a directory, at once as far as its name goes: scans skip hidden names. */
export async function removeDirectory(path: string): Promise<void> {
  const hidden = hide(path);
  if (hidden !== null) await rm(hidden, { recursive: true, force: true });
}

/** What `hide` gives, of directories that were named as containers are. */
export const isOnItsWayOut = (name: string): boolean => /^\.[A-Za-z0-9._-]+\.[0-9a-f]{8}$/.test(name);

/** Frees the name; null where nothing has it. */
function hide(path: string): string | null {
  const hidden = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString("hex")}`);
  try {
    renameSync(path, hidden);
    return hidden;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** The host's group for group 0 of the container's user namespace; 0 where it has none. */
function rootGroup(specJson: Uint8Array): number {
  const text = Buffer.from(specJson.buffer, specJson.byteOffset, specJson.byteLength);
  if (!text.includes('"gidMappings"')) return 0;
  try {
    const spec = JSON.parse(text.toString("utf8")) as {
      linux?: { gidMappings?: { containerID: number; hostID: number; size: number }[] };
    };
    const mapping = spec.linux?.gidMappings?.find((one) => one.containerID === 0 && one.size > 0);
    return Number.isSafeInteger(mapping?.hostID) ? (mapping?.hostID ?? 0) : 0;
  } catch {
    // Not JSON: the OCI runtime says so better.
    return 0;
  }
}
