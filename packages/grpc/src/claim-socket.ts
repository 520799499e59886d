import { lstatSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { alreadyExists, failedPrecondition } from "@berth/base";

/**
 * Makes a socket's path free to bind: removes what a dead process left. Throws already-exists where
 * somebody answers on it, failed-precondition where it is no socket.
 */
export async function claimSocketPath(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw failedPrecondition(`${JSON.stringify(path)} is no socket: remove it, or choose another address`);
  if (await isAnswered(path)) throw alreadyExists("a server on socket", path);
  rmSync(path, { force: true });
}

/** Only a refusal says that nobody listens; anything else (a full backlog, no permission) is somebody's socket. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      else if (error.code === "EAGAIN") resolve(true);
      else
        reject(failedPrecondition(`${JSON.stringify(path)} cannot be taken over: ${error.message}`, { cause: error }));
    });
  });
}
