// Brings events to the daemon, one after the other. While it is away they wait: an exit that happened while the
// daemon was dead is reported once it is back.
import { BerthError, type Log } from "@berth/base";
import { connectUnix } from "@berth/host";
import { Events } from "@berth/proto/containerd/services/events/ttrpc/v1";
import { createUnaryClient, type TtrpcClient } from "@berth/ttrpc";
import { timestampOf } from "../timestamp.ts";
import type { EventQueue, QueuedEvent } from "./event-queue.ts";

const CALL_MS = 5000;
/** After so long the first runtime is at work and nobody waits for us: time to connect, before there is an event. */
const AHEAD_MS = 8;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1000;

export interface Forwarder {
  /** There is something in the queue. */
  wake(): void;
  /** Resolves when the queue is empty, or after `ms`. */
  flush(ms: number): Promise<void>;
}

export interface ForwarderConfig {
  readonly namespace: string;
  /** Path of the daemon's ttrpc socket; empty: there is nobody to tell. */
  readonly socket: string;
  readonly queue: EventQueue;
  readonly log: Log;
}

export function createForwarder({ namespace, socket, queue, log }: ForwarderConfig): Forwarder {
  let client: TtrpcClient | null = null;
  let running = false;
  let away = false;
  let wakeEarly: (() => void) | null = null;
  let onEmpty: (() => void)[] = [];

  const connect = (): TtrpcClient => {
    if (client !== null) return client;
    const fresh = createUnaryClient(connectUnix(socket));
    client = fresh;
    void fresh.closed.then(() => {
      if (client === fresh) client = null;
    });
    return fresh;
  };

  /** False: try again later. */
  const send = async (event: QueuedEvent): Promise<boolean> => {
    try {
      const { typeUrl, value, topic, at } = event;
      await connect()
        .service(Events)
        .forward(
          { envelope: { timestamp: timestampOf(at), namespace, topic, event: { typeUrl, value } } },
          { timeoutMs: CALL_MS },
        );
      if (away) log.info("events reach the daemon again");
      away = false;
      return true;
    } catch (error) {
      if (isFinal(error)) {
        log.error("the daemon refused an event", { topic: event.topic, err: error });
        return true;
      }
      if (!away) log.warn("events wait for the daemon", { topic: event.topic, err: error });
      away = true;
      // A connection that does not answer is not trusted with the next try.
      client?.close();
      client = null;
      return false;
    }
  };

  const run = async (): Promise<void> => {
    let pause = FIRST_PAUSE_MS;
    for (let event = queue.peek(); event !== null; event = queue.peek()) {
      if (await send(event)) {
        queue.shift(event);
        pause = FIRST_PAUSE_MS;
        continue;
      }
      await new Promise<void>((resolve) => {
        wakeEarly = resolve;
        setTimeout(resolve, pause);
      });
      wakeEarly = null;
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
    const lost = queue.takeDropped();
    if (lost > 0) log.error("events were given up while the daemon was away", { count: lost });
  };

  const start = (): void => {
    if (running || socket === "") return;
    running = true;
    void run().then(() => {
      running = false;
      for (const resolve of onEmpty) resolve();
      onEmpty = [];
      if (queue.length > 0) start();
    });
  };

  const connectAhead = (): void => {
    try {
      connect();
    } catch (error) {
      log.debug("the daemon cannot be reached yet", { err: error });
    }
  };
  if (socket !== "") setTimeout(connectAhead, AHEAD_MS);

  return {
    wake: start,
    async flush(ms) {
      if (queue.length === 0 || socket === "") return;
      wakeEarly?.();
      await new Promise<void>((resolve) => {
        onEmpty.push(resolve);
        setTimeout(resolve, ms);
      });
    },
  };
}

/** What the daemon will say again however often it is asked. */
const isFinal = (error: unknown): boolean =>
  error instanceof BerthError &&
  ["invalid-argument", "unimplemented", "permission-denied", "out-of-range"].includes(error.kind);

/** The path in `unix:///path` or `/path`. */
export const socketOf = (address: string): string => (address.startsWith("unix://") ? address.slice(7) : address);
