// Processes that clients of ours have made, when nobody stands for them any more: an exec that has ended is deleted, and
// what still runs has its outputs read, or it would wait for a reader for ever. Other execs are their makers' to delete.
import { isNotFound, messageOf } from "@berth/base";
import { isAttended, type ReadersWatch, removeFifos, watchReaders } from "./client-fifos.ts";
import type { Context } from "./context.ts";
import { drainOutputs } from "./drain.ts";
import type { LiveTask } from "./live-task.ts";
import type { ProcessState } from "./types.ts";

/** After a drain that has failed; twice as long each time. */
const FIRST_RETRY_MS = 500;

/** A process that a client of ours has made, as the journal has it. */
export interface Attended {
  /** Of the client's FIFOs; empty: it has none. */
  readonly directory: string;
  /** Its client has gone: the directory is ours. */
  readonly left: boolean;
}

type Deps = Pick<Context, "log" | "background" | "drainCommand" | "timeouts">;

/** Of one task. `process` is an exec's id, empty for init. */
export interface Attendance {
  /** Noted before the process is made. False where there is one of this name. */
  begin(process: string, directory: string): boolean;
  /** It was deleted, or not made. */
  forget(process: string): void;
  /** Watches over what the journal names. */
  resume(): void;
  /** The process has ended. */
  ended(process: string): void;
  /** The task has gone. */
  end(): void;
  /** We go, and the task stays. */
  close(): void;
  /** Whether a process of the task has this directory. */
  has(directory: string): boolean;
}

export function attendanceOf(deps: Deps, task: LiveTask): Attendance {
  const { log, background, drainCommand } = deps;
  const graceMs = deps.timeouts.leftExec;
  const fields = { namespace: task.namespace, container: task.id };
  const watches = new Map<string, ReadersWatch>();
  const draining = new Set<string>();
  let over = false;
  let retryMs = FIRST_RETRY_MS;

  const entries = () => Object.entries(task.journal.attended);
  const entryOf = (process: string): Attended | null =>
    Object.hasOwn(task.journal.attended, process) ? (task.journal.attended[process] as Attended) : null;
  const note = (process: string, entry: Attended | null) => {
    const { [process]: _, ...others } = task.journal.attended;
    task.record({ attended: entry === null ? others : { ...others, [process]: entry } });
  };
  const unwatch = (process: string) => {
    watches.get(process)?.[Symbol.dispose]();
    watches.delete(process);
  };
  /** Its client may have gone just now. */
  const removeIfLeft = ({ directory, left }: Attended) => {
    if (directory === "") return;
    try {
      if (left || !isAttended(directory)) removeFifos(directory);
    } catch (err) {
      log.warn("FIFOs that a client has left cannot be removed", { ...fields, path: directory, err: messageOf(err) });
    }
  };
  const forget = (process: string) => {
    const entry = entryOf(process);
    if (entry === null) return;
    unwatch(process);
    note(process, null);
    removeIfLeft(entry);
  };

  const watch = (process: string, { directory }: Attended) => {
    if (directory === "" || over) return;
    const readers = watchReaders(directory, () => {
      watches.delete(process);
      attempt(process, async () => {
        note(process, { directory, left: true });
        await look(process);
      });
    });
    watches.set(process, readers);
  };
  const attempt = (process: string, work: () => Promise<void>) =>
    background.run("what a client has left could not be seen to", async () => {
      if (!over && entryOf(process) !== null) await work();
    });
  const lookLater = (process: string, ms: number) => background.after(ms, () => attempt(process, () => look(process)));

  /** What is to be done about a process: nothing while its client is there. */
  const look = async (process: string): Promise<void> => {
    const entry = entryOf(process);
    if (entry === null || (entry.directory !== "" && !entry.left)) return;
    const state = await stateOf(process);
    if (over || entryOf(process) === null) return;
    if (state === "gone") forget(process);
    else if (state === "unknown") lookLater(process, graceMs);
    else if (process !== "" && (state === "created" || state === "stopped")) await remove(process);
    // Not awaited, not even at the runtime's end: the program goes on without us.
    else if (entry.directory !== "") void drain(process, entry.directory);
  };
  const stateOf = async (process: string): Promise<ProcessState["status"] | "gone"> => {
    try {
      return (await task.state(process)).status;
    } catch (error) {
      return isNotFound(error) ? "gone" : "unknown";
    }
  };
  const remove = async (process: string) => {
    try {
      await task.deleteExec(process);
    } catch (err) {
      if (over) return;
      // Its client has deleted it as its last act, while we looked.
      if (isNotFound(err)) return forget(process);
      log.warn("an exec that nobody waits for could not be deleted", { ...fields, exec: process, err });
      lookLater(process, graceMs);
    }
  };
  const drain = async (process: string, directory: string) => {
    if (draining.has(process)) return;
    draining.add(process);
    let isRead = false;
    try {
      isRead = await drainOutputs(directory, drainCommand(task.namespace, task.id, process));
    } catch (err) {
      log.warn("the output that a client has left cannot be read", { ...fields, exec: process, err: messageOf(err) });
    }
    draining.delete(process);
    if (!isRead) lookLater(process, retryMs);
    retryMs = isRead ? FIRST_RETRY_MS : Math.min(2 * retryMs, graceMs);
  };
  const close = () => {
    over = true;
    for (const process of [...watches.keys()]) unwatch(process);
  };

  return {
    begin(process, directory) {
      if (entryOf(process) !== null) return false;
      const entry = { directory, left: false };
      note(process, entry);
      if (directory === "") lookLater(process, graceMs);
      else watch(process, entry);
      return true;
    },
    forget,
    resume() {
      for (const [process, entry] of entries()) {
        if (entry.directory === "") lookLater(process, graceMs);
        else watch(process, entry);
      }
    },
    ended(process) {
      const entry = process === "" ? null : entryOf(process);
      if (entry !== null) lookLater(process, entry.left ? 0 : graceMs);
    },
    close,
    end() {
      close();
      for (const [, entry] of entries()) removeIfLeft(entry);
    },
    has: (directory) => entries().some(([, entry]) => entry.directory === directory),
  };
}
