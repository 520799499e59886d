import { join } from "node:path";
import { type Clock, failedPrecondition } from "@berth/base";
import type { Differ, Images } from "@berth/images";
import type { Runtime } from "@berth/runtime";
import { type ContainerRecord, readFileInSnapshot, type Scope, type Store } from "@berth/store";
import { parseExact } from "../exact-json.ts";
import type { Lives } from "../lives.ts";
import type { OciSpec } from "../oci.ts";
import type { ReadRootFile } from "../spec/find-user.ts";

export interface EngineDeps {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly images: Images;
  readonly differ: Differ;
  readonly clock: Clock;
  /** Directory that detached containers' logs are kept under. */
  readonly logs: string;
  /** Directory that files which are made for containers are kept under. */
  readonly files: string;
  /** Path of a runtime's shim. Throws a sentence for one that is not installed. */
  readonly resolveShim: (runtime: string) => string;
  /** Path of berth's own shim. */
  readonly ownShim: string;
  readonly defaults: { readonly runtime: string; readonly snapshotter: string };
  readonly lives: Lives;
}

/** Of what removes a container. */
export type RemovalDeps = Pick<EngineDeps, "store" | "runtime" | "logs" | "files" | "lives">;

/** Where detached containers' logs are, below berthd's root. */
export const logsBelow = (root: string): string => join(root, "io.berth.engine.v1", "logs");

/** Where files that are made for containers are, below berthd's root. */
export const filesBelow = (root: string): string => join(root, "io.berth.engine.v1", "files");

/** passwd and group files larger than this are nobody's. */
const LARGEST_ROOT_FILE = 4 << 20;

/** Reads files of a snapshot as the container would see them, without mounting it. */
export const readRootFile =
  (store: Store, scope: Scope, snapshotter: string, key: string): ReadRootFile =>
  async (path) => {
    // An image without layers.
    if (key === "") return null;
    const directories = store.snapshotter(snapshotter).directories(scope, key);
    const bytes = readFileInSnapshot(directories, path, LARGEST_ROOT_FILE);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  };

export function specOf(record: ContainerRecord): OciSpec {
  if (record.spec === null) throw failedPrecondition(`container ${JSON.stringify(record.id)} has no spec`);
  return parseExact(new TextDecoder().decode(record.spec.value)) as OciSpec;
}

/** The namespace's own defaults, else the supervisor's. */
export function defaultsOf({ store, defaults }: EngineDeps, namespace: string): EngineDeps["defaults"] {
  const labels = store.namespaces.list().find((record) => record.name === namespace)?.labels ?? {};
  return {
    runtime: labels["containerd.io/defaults/runtime"] || defaults.runtime,
    snapshotter: labels["containerd.io/defaults/snapshotter"] || defaults.snapshotter,
  };
}
