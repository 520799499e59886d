// Opens what an output is to be written to.
import { type Fd, mkdirAll, O, open, stat } from "@berth/host";
import { dirname } from "./paths.ts";
import type { OutputTarget } from "./stdio-target.ts";

/**
 * A FIFO is opened for reading too: then opening does not wait for a reader, a reader that leaves does not end the
 * output, and what is written while nobody reads waits in the FIFO. Files are appended to.
 */
export function openOutput(target: Extract<OutputTarget, { kind: "path" | "file" }>): Fd {
  if (target.kind === "file") {
    mkdirAll(dirname(target.path), 0o755);
    return open(target.path, O.WRONLY | O.CREAT | O.APPEND, 0o644);
  }
  const fifo = stat(target.path)?.kind === "fifo";
  return fifo ? open(target.path, O.RDWR | O.NONBLOCK) : open(target.path, O.WRONLY | O.APPEND);
}
