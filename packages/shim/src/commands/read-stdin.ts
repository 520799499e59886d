import { invalidArgument } from "@berth/base";
import { read, stdin } from "@berth/host";

/** As much as containerd's shim takes. */
const LIMIT = 10 << 20;
const CHUNK = 65_536;

/** Everything on stdin, at most 10 MiB. */
export function readStdin(): Uint8Array {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = read(stdin, CHUNK); chunk !== null && chunk.length > 0; chunk = read(stdin, CHUNK)) {
    length += chunk.length;
    if (length > LIMIT) throw invalidArgument(`more than ${LIMIT} bytes on stdin: expected the options of a runtime`);
    chunks.push(chunk);
  }
  const out = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
