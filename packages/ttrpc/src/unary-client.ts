import { type Client, clientOf, type Transport } from "@berth/rpc";
import type { ByteStream } from "./byte-stream.ts";
import { ClientConnection, type OpenStream } from "./client-connection.ts";
import { defaultLimits, type Limits } from "./limits.ts";

/** One connection to a server, for any number of services and calls at once. */
export interface TtrpcClient {
  service<S extends { readonly typeName: string; readonly methods: object }>(service: S): Client<S>;
  /** Resolves when the connection has gone, with what broke it; null: closed in good order. */
  readonly closed: Promise<Error | null>;
  /** Calls under way fail with unavailable, `ttrpc: closed`. */
  close(): void;
}

/** A client without the code for streams, for programs that make only unary calls. */
export const createUnaryClient = (stream: ByteStream, limits?: Partial<Limits>): TtrpcClient =>
  makeClient(stream, limits, null);

export function makeClient(
  stream: ByteStream,
  limits: Partial<Limits> | undefined,
  openStream: OpenStream | null,
): TtrpcClient {
  const connection = new ClientConnection(stream, { ...defaultLimits, ...limits });
  const transport: Transport = {
    unary: (service, method, request, options) => connection.unary(service, method, request, options),
    stream:
      openStream === null
        ? null
        : (service, method, requests, options) => openStream(connection, service, method, requests, options),
  };
  return {
    service: (service) => clientOf(service, transport),
    closed: connection.closed,
    close: () => connection.close(),
  };
}
