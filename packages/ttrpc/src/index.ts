export type { ByteStream } from "./byte-stream.ts";
