import { dirname, isAbsolute } from "node:path";
import { isFifoDirectory } from "@berth/runtime";
import type { Stdio } from "../types.ts";

/**
 * The directory of FIFOs that `berth` has made for a process that it stands for, empty where the process has no stdio;
 * null where somebody else has made it.
 */
export function clientDirectory({ stdin, stdout, stderr }: Stdio): string | null {
  const path = stdout || stderr || stdin;
  if (path === "") return "";
  const directory = dirname(path);
  return isAbsolute(path) && isFifoDirectory(directory) ? directory : null;
}
