// Opens what an output is to be written to.
import { type Fd, mkdirAll, O, open, stat } from "@berth/host";
import { cleanPath, dirname } from "../paths.ts";
import type { OutputTarget } from "./stdio-target.ts";

export interface OpenOutput {
  readonly fd: Fd;
  readonly kind: "fifo" | "file";
}

/**
 * A FIFO is opened for reading too: then opening does not wait for a reader, a reader that leaves does not end the
 * output, and what is written while nobody reads waits in the FIFO; also where it was called a file, as waiting for a
 * reader would hold up every container of the shim. Files are appended to.
 */
export function openOutput({ kind, path }: Extract<OutputTarget, { kind: "path" | "file" }>): OpenOutput {
  if (stat(path)?.kind === "fifo") {
    const fd = open(path, O.RDWR | O.NONBLOCK);
    return { fd, kind: "fifo" };
  }
  if (kind === "path") return { fd: open(path, O.WRONLY | O.APPEND | O.NONBLOCK), kind: "file" };
  mkdirAll(cleanPath(dirname(path)), 0o755);
  return { fd: open(path, O.WRONLY | O.CREAT | O.APPEND | O.NONBLOCK, 0o644), kind: "file" };
}
