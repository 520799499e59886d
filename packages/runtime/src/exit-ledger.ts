// Which exits were published. Shims send an event again when they do not know whether it arrived, and we
// make up an exit where a shim cannot tell any more; listeners get each exit once. And which containers have run out of
// memory, which a shim tells by an event alone.
import { DecodeError, isType, topics } from "@berth/proto";
import { TaskExit, TaskOOM } from "@berth/proto/containerd/events";
import type { Envelope, Exit } from "./types.ts";
import { toExit } from "./wire.ts";

/** Containers, and exits of each, that are remembered; the oldest are forgotten first. */
const CONTAINERS = 4_096;
const EXITS = 1_024;

export interface ExitLedger {
  /** Notes an exit that others have told. False for one that was noted before. */
  note(namespace: string, container: string, process: string, exit: Exit): boolean;
  /** Notes the exit in an event; false for a repeated one, which nobody should get. */
  admit(envelope: Envelope): boolean;
  /** Init's exit that was noted for this container, with this pid (any, for 0). */
  initExit(namespace: string, container: string, pid: number): Exit | null;
  /** Whether a kill for lack of memory in this container was told. */
  ranOutOfMemory(namespace: string, container: string): boolean;
  /** The name is used for a new task. */
  forget(namespace: string, container: string): void;
}

interface Heard {
  /** By process and pid. */
  readonly exits: Map<string, Exit>;
  ranOutOfMemory: boolean;
}

/** What it calls, before anybody gets the event. */
export interface LedgerNews {
  /** Once for each exit that is told. */
  exited(namespace: string, container: string, process: string): void;
  /** At a container's first kill for lack of memory. */
  ranOutOfMemory(namespace: string, container: string): void;
}

export function createExitLedger(news: LedgerNews): ExitLedger {
  const containers = new Map<string, Heard>();
  const nameOf = (namespace: string, container: string) => `${namespace}/${container}`;

  /** The newest entry from now on. */
  const entry = (name: string): Heard => {
    const heard = containers.get(name) ?? { exits: new Map<string, Exit>(), ranOutOfMemory: false };
    containers.delete(name);
    containers.set(name, heard);
    trim(containers, CONTAINERS);
    return heard;
  };
  const note: ExitLedger["note"] = (namespace, container, process, exit) => {
    const name = nameOf(namespace, container);
    const key = `${process}/${exit.pid}`;
    if (containers.get(name)?.exits.has(key)) return false;
    const { exits } = entry(name);
    exits.set(key, exit);
    trim(exits, EXITS);
    return true;
  };
  const noteKill = (envelope: Envelope) => {
    const container = decoded(() => TaskOOM.decode(envelope.event.value))?.containerId ?? "";
    if (container === "") return;
    const heard = entry(nameOf(envelope.namespace, container));
    if (heard.ranOutOfMemory) return;
    heard.ranOutOfMemory = true;
    news.ranOutOfMemory(envelope.namespace, container);
  };
  return {
    note,
    admit(envelope) {
      if (envelope.topic === topics.taskOom && isType(envelope.event, TaskOOM)) noteKill(envelope);
      if (envelope.topic !== topics.taskExit || !isType(envelope.event, TaskExit)) return true;
      const event = decoded(() => TaskExit.decode(envelope.event.value));
      // Unknown inside, but well formed outside: a subscriber may know more.
      if (event === null) return true;
      const process = event.id === "" ? event.containerId : event.id;
      const isNew = note(envelope.namespace, event.containerId, process, toExit(event));
      if (isNew) news.exited(envelope.namespace, event.containerId, process);
      return isNew;
    },
    initExit(namespace, container, pid) {
      const exits = containers.get(nameOf(namespace, container))?.exits;
      if (exits === undefined) return null;
      if (pid !== 0) return exits.get(`${container}/${pid}`) ?? null;
      for (const [key, exit] of exits) if (key.startsWith(`${container}/`)) return exit;
      return null;
    },
    ranOutOfMemory: (namespace, container) => containers.get(nameOf(namespace, container))?.ranOutOfMemory ?? false,
    forget: (namespace, container) => void containers.delete(nameOf(namespace, container)),
  };
}

/** Null for bytes that are no such message. */
function decoded<T>(decode: () => T): T | null {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

function trim(map: Map<string, unknown>, size: number): void {
  for (const key of map.keys()) {
    if (map.size <= size) return;
    map.delete(key);
  }
}
