import { defaultLimits } from "./limits.ts";
import { Peers } from "./peers.ts";
import { startStream, unreadBytes } from "./server-stream.ts";
import { makeServer, type Server, type ServerOptions } from "./unary-server.ts";

/** A server of all four shapes of method. */
export function createServer(options: ServerOptions): Server {
  const peers = new Peers({ ...defaultLimits, ...options.limits }.maxHeldBytes, options.log);
  return makeServer(options, startStream, (stream, connection) =>
    peers.watch(stream, () => connection().held + unreadBytes(connection())),
  );
}
