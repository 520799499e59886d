import type { Readable } from "node:stream";
import { unavailable } from "@berth/base";
import { Unreachable } from "./network-error.ts";

/** A short body; `what` it is, for errors. unavailable where it is longer, or does not come to its end. */
export async function readBody(body: Readable, limit: number, what: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of body as AsyncIterable<Uint8Array>) {
      size += part.length;
      if (size > limit) break;
      parts.push(part);
    }
  } catch (error) {
    throw new Unreachable(`${what}: `, error);
  } finally {
    body.destroy();
  }
  if (size > limit) throw unavailable(`${what} is longer than ${limit} bytes`);
  return Buffer.concat(parts);
}
