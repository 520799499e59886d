export { connectGrpc, type GrpcConnection } from "./client.ts";
export type { GrpcLimits } from "./limits.ts";
export { createGrpcServer, type GrpcServer, type GrpcServerOptions } from "./server.ts";
