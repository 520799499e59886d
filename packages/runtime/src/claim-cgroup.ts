// A container's cgroup is its own. runc before 1.2 and crun join one that others are in, with a warning at best: who then
// stops either container kills both.
import { readdirSync, readFileSync } from "node:fs";
import { isAbsolute, join, normalize } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { failedPrecondition, invalidArgument } from "@berth/base";

const TOP = "/sys/fs/cgroup";
/** Processes that were killed are in their cgroup until they are torn down, and nobody tells when they are. */
const LOOKS = 50;
const PAUSE_MS = 20;

/** Paths that are kept before those are looked for that nobody has any more. */
const LEAST_SWEEP = 128;

/** A container that has a task, or is about to. */
export interface Claimant {
  readonly namespace: string;
  readonly id: string;
}

/** Paths as specs have them, each with the container that has it. Those whose task has gone do not count. */
export class CgroupClaims {
  readonly #holders = new Map<string, Claimant>();
  readonly #isTaken: (namespace: string, id: string) => boolean;
  #sweepAt = LEAST_SWEEP;

  /** `isTaken` says whether a container has a task, or one that is being made or removed. */
  constructor(isTaken: (namespace: string, id: string) => boolean) {
    this.#isTaken = isTaken;
  }

  /** Notes the path of a task that is there already. */
  note(path: string, claimant: Claimant): void {
    if (this.#holderOf(path, claimant) === null) this.#set(path, claimant);
  }

  /** Throws failed-precondition where another container has the path, or where there are processes. */
  async claim(path: string, claimant: Claimant, signal: AbortSignal): Promise<void> {
    if (path === "/")
      throw invalidArgument(`container ${quoted(claimant)}: its cgroup is the root of all: name one of its own`);
    const holder = this.#holderOf(path, claimant);
    if (holder !== null)
      throw taken(path, claimant, `container ${JSON.stringify(holder.id)} of namespace ${holder.namespace}`);
    // Before the first pause: two creates at once cannot both get it.
    this.#set(path, claimant);
    const directories = directoriesOf(path);
    for (let look = 1; ; look++) {
      const pid = firstProcess(directories);
      if (pid === null) return;
      signal.throwIfAborted();
      if (look === LOOKS) throw taken(path, claimant, `process ${pid} of another daemon or container`);
      await pause(PAUSE_MS);
    }
  }

  #holderOf(path: string, { namespace, id }: Claimant): Claimant | null {
    const holder = this.#holders.get(path);
    if (holder === undefined || (holder.namespace === namespace && holder.id === id)) return null;
    return this.#isTaken(holder.namespace, holder.id) ? holder : null;
  }

  #set(path: string, claimant: Claimant): void {
    this.#holders.set(path, claimant);
    if (this.#holders.size < this.#sweepAt) return;
    for (const [other, { namespace, id }] of this.#holders)
      if (!this.#isTaken(namespace, id)) this.#holders.delete(other);
    this.#sweepAt = Math.max(LEAST_SWEEP, this.#holders.size * 2);
  }
}

const quoted = ({ id }: Claimant): string => JSON.stringify(id);

const taken = (path: string, claimant: Claimant, by: string) =>
  failedPrecondition(
    `cgroup ${path} of container ${quoted(claimant)} is in use by ${by}: end that first, or give the container another cgroup`,
  );

/**
 * The path in a spec, as short as it can be written; null where there is none, or nobody can tell. One without a slash
 * at its front is below the cgroup of the shim, or systemd's (`slice:prefix:name`).
 */
export function cgroupsPathOf(spec: Uint8Array | null): string | null {
  if (spec === null) return null;
  const text = Buffer.from(spec.buffer, spec.byteOffset, spec.byteLength);
  if (!text.includes('"cgroupsPath"')) return null;
  try {
    const { linux } = JSON.parse(text.toString("utf8")) as { linux?: { cgroupsPath?: unknown } };
    const path = linux?.cgroupsPath;
    if (typeof path !== "string" || path === "") return null;
    const short = normalize(path);
    return short.length > 1 ? short.replace(/\/$/, "") : short;
  } catch {
    // Not JSON: the OCI runtime says so better.
    return null;
  }
}

/** The same of a bundle that is there. */
export function cgroupsPathIn(bundle: string): string | null {
  try {
    return cgroupsPathOf(readFileSync(join(bundle, "config.json")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** The cgroup's directory in each hierarchy. systemd refuses a second unit of a name by itself. */
function directoriesOf(path: string): string[] {
  if (!isAbsolute(path)) return [];
  return [TOP, ...readdirSync(TOP).map((name) => join(TOP, name))].map((top) => join(top, path));
}

/** A process in one of the trees; null: none. */
function firstProcess(directories: readonly string[]): number | null {
  for (const directory of directories) {
    const pid = processIn(directory);
    if (pid !== null) return pid;
  }
  return null;
}

/** Below as well: who ends a container ends all that is in cgroups below its own. */
function processIn(directory: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(join(directory, "cgroup.procs"), "utf8"), 10);
    if (pid >= 0) return pid;
    const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return firstProcess(below.map(({ name }) => join(directory, name)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Not there, going just now, or of threads, whose processes are listed above.
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENODEV" || code === "EOPNOTSUPP") return null;
    throw error;
  }
}
