import type { Method, Service } from "@berth/proto";
import type { ServiceDefinition } from "@grpc/grpc-js";

/** Longest message, both ways: what containerd's own config says. */
export const MAX_MESSAGE = 16 << 20;

export const toBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);

export const pathOf = (service: string, method: Method): string => `/${service}/${method.name}`;

const streamsRequests = ({ kind }: Method): boolean => kind === "client-streaming" || kind === "bidi-streaming";
const streamsAnswers = ({ kind }: Method): boolean => kind === "server-streaming" || kind === "bidi-streaming";

const sizes = new WeakMap<object, number>();

/** Bytes of a request as it came. */
export const sizeOf = (request: object): number => sizes.get(request) ?? 0;

/**
 * A service as grpc-js wants it. Answers are given to it as bytes, so that an answer that cannot be
 * encoded fails in the handler's path and not inside grpc-js.
 */
export function definitionOf(service: Service): ServiceDefinition {
  const definition: Record<string, ServiceDefinition[string]> = {};
  for (const [name, method] of Object.entries(service.methods)) {
    definition[name] = {
      path: pathOf(service.typeName, method),
      requestStream: streamsRequests(method),
      responseStream: streamsAnswers(method),
      requestSerialize: (message: object) => toBuffer(method.input.encode(message)),
      requestDeserialize: (bytes: Buffer) => {
        const message = method.input.decode(bytes);
        sizes.set(message, bytes.length);
        return message;
      },
      responseSerialize: (bytes: Uint8Array) => toBuffer(bytes),
      responseDeserialize: (bytes: Buffer) => method.output.decode(bytes),
    };
  }
  return definition;
}
