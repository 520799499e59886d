// Where the sockets of shims are: the place that the daemon names, or the first of the usual ones that can be had.
import { messageOf, unknownError } from "@berth/base";
import { credentials, env, mkdirAll, stat } from "@berth/host";
import { DEFAULT_SOCKET_DIR } from "./socket-address.ts";

/** The longest that a daemon may name (containerd 2.3): the socket's name is 64 characters, and the limit is 106. */
const MAX_SOCKET_DIR = 42;

/** `wanted` by the daemon; empty: no wish. Makes the directory, for its owner alone. */
export function socketDirectory(wanted: string): string {
  const own = env("BERTH_SHIM_SOCKET_DIR");
  if (own) {
    mkdirAll(own, 0o700);
    return own;
  }
  const { uid } = credentials();
  const session = env("XDG_RUNTIME_DIR");
  const candidates = [
    wanted,
    DEFAULT_SOCKET_DIR,
    session ? `${session}/containerd/s` : "",
    `/run/${uid}/containerd/s`,
    `/tmp/containerd-s-${uid}`,
  ].filter((path) => path.startsWith("/") && path.length <= MAX_SOCKET_DIR);
  const reasons: string[] = [];
  for (const path of candidates) {
    try {
      mkdirAll(path, 0o700);
      // One that somebody else has put there could be taken from under us.
      if (stat(path)?.uid === uid) return path;
      reasons.push(`${path} belongs to another user`);
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  throw unknownError(`no directory for the socket of the shim: ${reasons.join("; ")}`);
}
