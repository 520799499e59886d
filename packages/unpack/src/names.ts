import { decodeName } from "@berth/base";
import type { Fd } from "@berth/host";
import { tree } from "./tree.ts";

/** Names that lie one after the other, each ended by a zero byte. */
export function splitNames(bytes: Uint8Array): string[] {
  const names: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    names.push(decodeName(bytes.subarray(at, end)));
    at = end + 1;
  }
  return names;
}

/** Names of a directory's entries, sorted so that every walk has the same order. */
export const namesOf = (directory: Fd): string[] => splitNames(tree.names(directory)).sort();
