import { startStream } from "./server-stream.ts";
import { makeServer, type Server, type ServerOptions } from "./unary-server.ts";

/** A server of all four shapes of method. */
export const createServer = (options: ServerOptions): Server => makeServer(options, startStream);
