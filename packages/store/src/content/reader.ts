import { open } from "node:fs/promises";
import { outOfRange } from "@berth/base";
import type { ContentReader } from "../types.ts";

/** Opens the file at the path; what is open stays readable when the blob is deleted. */
export async function openReader(path: string, size: number): Promise<ContentReader> {
  const file = await open(path, "r");
  return {
    size,
    async read(offset, length) {
      if (offset > size) throw outOfRange(`read past object length ${size} bytes`);
      const wanted = Math.max(0, Math.min(length, size - Math.max(0, offset)));
      const buffer = Buffer.allocUnsafe(wanted);
      let done = 0;
      while (done < wanted) {
        const { bytesRead } = await file.read(buffer, done, wanted - done, Math.max(0, offset) + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return buffer.subarray(0, done);
    },
    close: () => file.close(),
  };
}
