export { nodeByteStream } from "./node-byte-stream.ts";
export type * from "./types.ts";
