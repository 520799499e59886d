export { clientOf, type Requests, type Transport } from "./client-of.ts";
export { Inbox } from "./inbox.ts";
export { callerGone, IncomingCall, type IncomingCallOptions } from "./incoming-call.ts";
export { type Handler, type HandlerOf, type Interceptor, intercept } from "./intercept.ts";
export { createMemoryClient, memoryTransport } from "./memory-client.ts";
export { addMetadata, grpcKeys, type Metadata, type MetadataKeys, newMetadata, ttrpcKeys } from "./metadata.ts";
export { metadataOf, watchCaller } from "./outgoing-call.ts";
export { failureOf, findRoute, type Route, type Routes, routesOf } from "./routes.ts";
export { sendAll } from "./send-all.ts";
export {
  type Call,
  type CallOptions,
  type Client,
  type Registration,
  register,
  type ServiceImpl,
} from "./service-impl.ts";
export { codeOf, errorOf, kindOfCode, type RpcStatus, statusOf } from "./status.ts";
