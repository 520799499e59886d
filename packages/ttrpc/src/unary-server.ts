import type { Log } from "@berth/base";
import { type Registration, routesOf } from "@berth/rpc";
import type { ByteStream } from "./byte-stream.ts";
import type { LateService } from "./late-service.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { ServerConnection, type ServerShared, type StartStream } from "./server-connection.ts";

export interface ServerOptions {
  readonly registrations: readonly Registration[];
  readonly late?: readonly LateService[];
  readonly log: Log;
  readonly limits?: Partial<Limits>;
}

/** Serves connections that somebody else has accepted. */
export interface Server {
  /** The stream is the server's from now on. The peer's pid is for the log. */
  accept(stream: ByteStream, peer?: { readonly pid: number }): AcceptedConnection;
  /** Handlers that have not returned, on all connections. */
  readonly activeCalls: number;
  readonly connections: number;
  /**
   * Refuses new calls (unavailable), closes each connection when its last call has been answered, and
   * resolves when all have gone; after `graceMs` (default 5000) those that are left are closed. A handler
   * must not wait for it: its own call is one of those.
   */
  shutdown(graceMs?: number): Promise<void>;
  /** Closes every connection now; their handlers are aborted. */
  close(): void;
}

export interface AcceptedConnection {
  readonly closed: Promise<void>;
  close(): void;
}

/** A server without the code for streams, for the small programs: streaming methods are unimplemented there. */
export const createUnaryServer = (options: ServerOptions): Server => makeServer(options, null);

/** `watch` sees the bytes between a connection and its stream; the connection is there once the stream is started. */
export function makeServer(
  options: ServerOptions,
  startStream: StartStream | null,
  watch: (stream: ByteStream, connection: () => ServerConnection) => ByteStream = (stream) => stream,
): Server {
  const { log } = options;
  const shared: ServerShared = {
    routes: routesOf(options.registrations),
    late: new Map(options.late?.map((service) => [service.typeName, service])),
    log,
    limits: { ...defaultLimits, ...options.limits },
    startStream,
    activeCalls: 0,
    stopping: false,
    connections: new Set(),
    onGone: null,
  };
  const closeAll = () => {
    for (const connection of [...shared.connections]) connection.close();
  };
  return {
    accept(stream, peer) {
      const { connections, limits } = shared;
      const full = connections.size >= limits.maxConnections;
      // In the order in which they came.
      const silent = full ? [...connections].find((each) => each.silent && !each.closing) : undefined;
      const watched = watch(stream, () => connection);
      const connection = new ServerConnection(watched, shared, peer === undefined ? log : log.with({ pid: peer.pid }));
      if (full) connection.log.warn("too many connections: one is closed", { count: limits.maxConnections });
      if (full) (silent ?? connection).close();
      if (shared.stopping) connection.close();
      return connection;
    },
    get activeCalls() {
      return shared.activeCalls;
    },
    get connections() {
      return shared.connections.size;
    },
    shutdown(graceMs = 5000) {
      shared.stopping = true;
      return new Promise((resolve) => {
        const timer = setTimeout(closeAll, graceMs);
        const before = shared.onGone;
        shared.onGone = () => {
          before?.();
          if (shared.connections.size > 0) return;
          clearTimeout(timer);
          resolve();
        };
        for (const connection of [...shared.connections]) if (connection.idle) connection.closeWhenSent();
        shared.onGone();
      });
    },
    close: closeAll,
  };
}
