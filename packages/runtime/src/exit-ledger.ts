// Which exits were published. Shims send an event again when they do not know whether it arrived, and we
// make up an exit where a shim cannot tell any more; listeners get each exit once.
import { DecodeError, isType, topics } from "@berth/proto";
import { TaskExit } from "@berth/proto/containerd/events";
import type { Envelope, Exit } from "./types.ts";
import { toExit } from "./wire.ts";

/** Containers, and exits of each, that are remembered; the oldest are forgotten first. */
const CONTAINERS = 4_096;
const EXITS = 1_024;

export interface ExitLedger {
  /** Notes an exit. False for one that was noted before. */
  note(namespace: string, container: string, process: string, exit: Exit): boolean;
  /** Notes the exit in an event; false for a repeated one, which nobody should get. */
  admit(envelope: Envelope): boolean;
  /** Init's exit that was noted for this container, with this pid (any, for 0). */
  initExit(namespace: string, container: string, pid: number): Exit | null;
  /** The name is used for a new task. */
  forget(namespace: string, container: string): void;
}

/** `onInit` hears of each exit of an init, once. */
export function createExitLedger(onInit: (namespace: string, container: string, exit: Exit) => void): ExitLedger {
  const containers = new Map<string, Map<string, Exit>>();

  const note: ExitLedger["note"] = (namespace, container, process, exit) => {
    const name = `${namespace}/${container}`;
    const exits = containers.get(name) ?? new Map<string, Exit>();
    const key = `${process}/${exit.pid}`;
    if (exits.has(key)) return false;
    containers.delete(name);
    containers.set(name, exits.set(key, exit));
    trim(exits, EXITS);
    trim(containers, CONTAINERS);
    if (process === container) onInit(namespace, container, exit);
    return true;
  };
  return {
    note,
    admit(envelope) {
      if (envelope.topic !== topics.taskExit || !isType(envelope.event, TaskExit)) return true;
      const event = decodeExit(envelope);
      // Not to be understood, but well formed on the outside: whoever listens may know more.
      if (event === null) return true;
      const process = event.id === "" ? event.containerId : event.id;
      return note(envelope.namespace, event.containerId, process, toExit(event));
    },
    initExit(namespace, container, pid) {
      const exits = containers.get(`${namespace}/${container}`);
      if (exits === undefined) return null;
      if (pid !== 0) return exits.get(`${container}/${pid}`) ?? null;
      for (const [key, exit] of exits) if (key.startsWith(`${container}/`)) return exit;
      return null;
    },
    forget: (namespace, container) => void containers.delete(`${namespace}/${container}`),
  };
}

function decodeExit(envelope: Envelope): TaskExit | null {
  try {
    return TaskExit.decode(envelope.event.value);
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
