// An HTTP server of a test on loopback, with or without TLS, that can be down for a while.
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Certificates } from "./certificates.ts";
import { openPort, type Port } from "./port.ts";

export interface HttpServer extends Pick<Port, "down" | "up">, AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** `http://127.0.0.1:PORT`, or https. */
  readonly url: string;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** An error of the handler is the test's: it is not caught. */
export async function serveHttp(handler: Handler, tls?: Certificates): Promise<HttpServer> {
  const listener: RequestListener = (request, response) => void handler(request, response);
  const server = tls === undefined ? createServer(listener) : createTlsServer(pairOf(tls), listener);
  server.keepAliveTimeout = 0; // no idle connection ends just when a client uses it again
  const port = await openPort((socket) => server.emit("connection", socket));
  const address = `127.0.0.1:${port.number}`;
  return {
    address,
    url: `${tls === undefined ? "http" : "https"}://${address}`,
    down: port.down,
    up: port.up,
    [Symbol.asyncDispose]: () => port[Symbol.asyncDispose](),
  };
}

const pairOf = ({ server }: Certificates) => ({
  cert: readFileSync(server.certificate),
  key: readFileSync(server.key),
});
