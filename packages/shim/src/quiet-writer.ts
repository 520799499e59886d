import { isCode, stderr, write } from "@berth/host";

/** To stderr. A log must never stop a shim: lines are lost where nobody takes them. */
export function quietWriter(line: string): void {
  try {
    write(stderr, new TextEncoder().encode(line));
  } catch (error) {
    if (!isCode(error, "EPIPE", "EBADF")) throw error;
  }
}
