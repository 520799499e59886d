// Where a shim listens: a name that daemon, namespace and group (or container) lead to, so that the members
// of a group find each other.
import { invalidArgument } from "@berth/base";
import { joinPath } from "../paths.ts";

export const DEFAULT_SOCKET_DIR = "/run/containerd/s";

/** sun_path holds 108 bytes with its NUL; containerd stops two short of that (unix(7)). */
const MAX_SOCKET_PATH = 106;

/**
 * The path of the socket; the debug socket has the suffix `debug`. `hash` gives the hex SHA-256 of a text. Throws invalid-argument where the directory is
 * too long for a socket's name.
 */
export function socketPath(
  hash: (text: string) => string,
  directory: string,
  address: string,
  namespace: string,
  groupOrId: string,
  ...suffix: readonly string[]
): string {
  const path = `${directory}/${hash(joinPath(address, namespace, groupOrId, ...suffix))}`;
  if (path.length > MAX_SOCKET_PATH)
    throw invalidArgument(
      `socket directory ${JSON.stringify(directory)} is too long: the path of a socket must not exceed ${MAX_SOCKET_PATH} characters, use a directory of at most ${MAX_SOCKET_PATH - 65}`,
    );
  return path;
}
