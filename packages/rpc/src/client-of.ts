import { internalError } from "@berth/base";
import type { Method, Service } from "@berth/proto";
import type { CallOptions, Client } from "./service-impl.ts";

/** What carries calls: a connection, or the memory of this process. Errors arrive as BerthError. */
export interface Transport {
  unary(service: string, method: Method, request: object, options: CallOptions): Promise<object>;
  /**
   * Opens a stream of any of the three shapes at once, before anyone iterates. The answers of a
   * client-streaming method are an iterable of one. Null where the transport has no streams.
   */
  stream: ((service: string, method: Method, requests: Requests, options: CallOptions) => AsyncIterable<object>) | null;
}

/** What the caller of a stream sends: one message for a server-streaming method, else an iterable. */
export type Requests = { readonly one: object } | { readonly many: AsyncIterable<object> };

/** The client of a service over a transport. */
export function clientOf<S extends { readonly typeName: string; readonly methods: object }>(
  service: S,
  transport: Transport,
): Client<S> {
  const { typeName, methods } = service as unknown as Service;
  const client: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(methods)) client[name] = clientMethod(typeName, method, transport);
  return client as unknown as Client<S>;
}

const noOptions: CallOptions = {};

function clientMethod(service: string, method: Method, transport: Transport): unknown {
  if (method.kind === "unary")
    return (request: object, options?: CallOptions) => transport.unary(service, method, request, options ?? noOptions);
  const { stream } = transport;
  if (stream === null)
    return () => {
      throw internalError(`${service}/${method.name} is a stream, which this client was made without`);
    };
  if (method.kind === "server-streaming")
    return (request: object, options?: CallOptions) => stream(service, method, { one: request }, options ?? noOptions);
  if (method.kind === "bidi-streaming")
    return (requests: AsyncIterable<object>, options?: CallOptions) =>
      stream(service, method, { many: requests }, options ?? noOptions);
  return async (requests: AsyncIterable<object>, options?: CallOptions) => {
    for await (const answer of stream(service, method, { many: requests }, options ?? noOptions)) return answer;
    throw internalError(`${service}/${method.name}: the server ended the call without an answer`);
  };
}
