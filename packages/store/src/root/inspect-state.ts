import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { failedPrecondition } from "@berth/base";
import { namesIn, refusal } from "./inspect-root.ts";
import { MARKER, readMarker } from "./marker.ts";
import { isBerths, ownerOf } from "./owner.ts";

const TASKS = "io.containerd.runtime.v2.task";
/** What berths before the marker made in it: sockets of shims, runtimes' state, FIFOs. */
const own = new Set(["s", "runc", "fifos", "fifo", TASKS]);

/** What a state directory is before anything in it is touched. */
export type StateDirectory =
  | { readonly at: "fresh" }
  | { readonly at: "ours" }
  /** Of a berth from before the marker, or one whose marker is gone; its tasks are this root's. */
  | { readonly at: "unmarked" };

/**
 * Looks at the state directory without changing anything. `id` is the root's; null while it is not known, "new" for a
 * root that is just begun. Throws where the directory is another berth's or somebody else's.
 */
export function inspectState(
  state: string,
  { root, id, others }: { root: string; id: string | null; others: readonly string[] },
): StateDirectory {
  const names = namesIn(state, others);
  if (names === null) return { at: "fresh" };
  const marker = readMarker(state, "state");
  const tasks = tasksIn(state);
  if (typeof marker === "object") {
    if (id === null || marker.id === id) return { at: "ours" };
    const holds = tasks.length === 0 ? "no tasks" : `${tasks.length} ${tasks.length === 1 ? "task" : "tasks"}`;
    const whose = rootOf(tasks);
    throw failedPrecondition(
      `state directory ${state} belongs to another berth than root directory ${root}${whose === null ? "" : `, to ${whose},`} and has ${holds}: ` +
        (tasks.length === 0
          ? "give berthd another (--state, or state in the configuration), or remove it if nobody uses it"
          : "start berthd with the root directory that it belongs to, or give it another state directory; if that root is lost, `berthd recover` makes a new one from the tasks"),
    );
  }
  const rest = names.filter((name) => name !== MARKER && name !== `${MARKER}.new`);
  const strange = rest.filter((name) => !own.has(name) && !isBerths(name));
  const foreign = tasks.some(({ root: of }) => of !== null && of !== root);
  if (strange.length > 0 || foreign) {
    const berths = tasks.some(({ isBerths: known }) => known);
    const owner =
      berths && strange.length === 0 ? `another berth's, of root directory ${rootOf(tasks)}` : ownerOf(rest);
    throw failedPrecondition(refusal("state", state, strange.length > 0 ? strange : rest, owner));
  }
  return tasks.length === 0 ? { at: "fresh" } : { at: "unmarked" };
}

interface FoundTask {
  /** The root that the bundle's work directory is below; null where it does not say. */
  readonly root: string | null;
  readonly isBerths: boolean;
}

function tasksIn(state: string): FoundTask[] {
  const top = join(state, TASKS);
  return directoriesIn(top).flatMap((namespace) =>
    directoriesIn(join(top, namespace)).map((id) => {
      const bundle = join(top, namespace, id);
      return {
        root: rootOfWork(bundle, `/${TASKS}/${namespace}/${id}`),
        isBerths: listed(bundle).includes("berth.json"),
      };
    }),
  );
}

function rootOfWork(bundle: string, end: string): string | null {
  try {
    const work = readlinkSync(join(bundle, "work"));
    return work.endsWith(end) ? work.slice(0, -end.length) : null;
  } catch {
    // No link, or none that can be read: the bundle does not say.
    return null;
  }
}

const rootOf = (tasks: readonly FoundTask[]): string | null => tasks.find(({ root }) => root !== null)?.root ?? null;

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

/** Without those on their way out. */
const directoriesIn = (directory: string): string[] => listed(directory).filter((name) => !name.startsWith("."));
