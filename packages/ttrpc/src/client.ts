import type { ByteStream } from "./byte-stream.ts";
import { openStream } from "./client-stream.ts";
import type { Limits } from "./limits.ts";
import { makeClient, type TtrpcClient } from "./unary-client.ts";

/** A client of all four shapes of method. The stream is the client's from now on. */
export const createClient = (stream: ByteStream, limits?: Partial<Limits>): TtrpcClient =>
  makeClient(stream, limits, openStream);
