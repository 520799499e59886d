// Opens what an output is to be written to.
import { type Fd, mkdirAll, O, open, stat } from "@berth/host";
import { dirname } from "./paths.ts";
import type { OutputTarget } from "./stdio-target.ts";

/**
 * A FIFO is opened for reading too: then opening does not wait for a reader, a reader that leaves does not end the
 * output, and what is written while nobody reads waits in the FIFO; also where it was called a file, as waiting for a
 * reader would hold up every other container. Files are appended to.
 */
export function openOutput(target: Extract<OutputTarget, { kind: "path" | "file" }>): Fd {
  const { kind, path } = target;
  if (stat(path)?.kind === "fifo") return open(path, O.RDWR | O.NONBLOCK);
  if (kind === "path") return open(path, O.WRONLY | O.APPEND | O.NONBLOCK);
  mkdirAll(dirname(path), 0o755);
  return open(path, O.WRONLY | O.CREAT | O.APPEND | O.NONBLOCK, 0o644);
}
