export type { ByteStream } from "./byte-stream.ts";
export { createClient } from "./client.ts";
export { encodeFrame, FrameDecoder, type FrameReceiver, FrameType, HEADER_LENGTH, MAX_DATA } from "./frame.ts";
export type { LateService } from "./late-service.ts";
export type { Limits } from "./limits.ts";
export { createServer } from "./server.ts";
export { createUnaryClient, type TtrpcClient } from "./unary-client.ts";
export { type AcceptedConnection, createUnaryServer, type Server, type ServerOptions } from "./unary-server.ts";
