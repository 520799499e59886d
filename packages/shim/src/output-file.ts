// Opens what an output is to be written to.
import { enlargePipe, type Fd, mkdirAll, O, open, stat } from "@berth/host";
import { dirname } from "./paths.ts";
import type { OutputTarget } from "./stdio-target.ts";

/** As much as a container's own pipe holds: a whole pipe moves in one step. */
const FIFO_BYTES = 1 << 20;

export interface OpenOutput {
  readonly fd: Fd;
  readonly kind: "fifo" | "file";
}

/**
 * A FIFO is opened for reading too: then opening does not wait for a reader, a reader that leaves does not end the
 * output, and what is written while nobody reads waits in the FIFO. Files are appended to.
 */
export function openOutput(target: Extract<OutputTarget, { kind: "path" | "file" }>): OpenOutput {
  if (target.kind === "file") {
    mkdirAll(dirname(target.path), 0o755);
    return { fd: open(target.path, O.WRONLY | O.CREAT | O.APPEND, 0o644), kind: "file" };
  }
  if (stat(target.path)?.kind !== "fifo") return { fd: open(target.path, O.WRONLY | O.APPEND), kind: "file" };
  const fd = open(target.path, O.RDWR | O.NONBLOCK);
  enlargePipe(fd, FIFO_BYTES);
  return { fd, kind: "fifo" };
}
