import { chmodSync } from "node:fs";
import { type Log, unavailable } from "@berth/base";
import { type Registration, routesOf } from "@berth/rpc";
import {
  logVerbosity,
  Server,
  ServerCredentials,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { definitionOf, MAX_MESSAGE } from "./definition.ts";
import { installGate } from "./gate.ts";
import { type ActiveCalls, handlerOf } from "./handlers.ts";
import { defaultLimits, type GrpcLimits, Held } from "./limits.ts";

export interface GrpcServer {
  /**
   * Listens on a unix socket (mode 0660). Whoever asks has made the path free (transport's `claimSocket`). Throws
   * unavailable.
   */
  listen(path: string): Promise<void>;
  /** Handlers that have not returned. */
  readonly activeCalls: number;
  /** Takes no new calls and waits for those under way; after `graceMs` (default 1000) cancels them. */
  stop(graceMs?: number): Promise<void>;
}

export interface GrpcServerOptions {
  readonly registrations: readonly Registration[];
  readonly log: Log;
  readonly limits?: Partial<GrpcLimits>;
  /** Bytes of the longest request and answer; 16 MiB each unless told. */
  readonly maxReceive?: number;
  readonly maxSend?: number;
}

export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const { registrations, log, maxReceive = MAX_MESSAGE, maxSend = MAX_MESSAGE } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const held = new Held();
  // What grpc-js would write to stderr arrives here as an error as well.
  setLogVerbosity(logVerbosity.NONE);
  const active: ActiveCalls = { count: 0 };
  const server = new Server({
    "grpc.max_send_message_length": maxSend,
    "grpc.max_receive_message_length": maxReceive,
    "grpc.max_concurrent_streams": limits.connectionCalls,
    // Bookkeeping of every call for a debugging service that we do not offer.
    "grpc.enable_channelz": 0,
    // Larger than HTTP/2's 64 KiB: blobs come in chunks of 1 MiB.
    "grpc-node.flow_control_window": 1 << 20,
  });
  const routes = routesOf(registrations);
  for (const { service } of registrations) {
    const impl: UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries(service.methods)) {
      const route = routes.get(service.typeName)?.get(method.name);
      if (route !== undefined) impl[name] = handlerOf(route, log, active, held);
    }
    server.addService(definitionOf(service), impl);
  }
  const targets: string[] = [];
  return {
    async listen(path) {
      const target = `unix:${path}`;
      await new Promise<void>((resolve, reject) => {
        server.bindAsync(target, ServerCredentials.createInsecure(), (error) => {
          if (error === null) resolve();
          else reject(unavailable(`cannot listen on ${JSON.stringify(path)}: ${error.message}`, { cause: error }));
        });
      });
      installGate(server, limits, held, log);
      chmodSync(path, 0o660);
      targets.push(target);
    },
    get activeCalls() {
      return active.count;
    },
    stop(graceMs = 1000) {
      // Not forceShutdown: in grpc-js 1.14 it forgets the connections of a server without channelz.
      for (const target of targets) server.drain(target, graceMs);
      return new Promise((resolve) => {
        server.tryShutdown(() => resolve());
      });
    },
  };
}
